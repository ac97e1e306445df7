"""What a device was given in the factory to reach its first server: nothing, a shared key, raw keys or certificates."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lwm2m_ml.lwm2m.bootstrap import Account, SecurityMode
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.objects.base import ResourceValue
from lwm2m_ml_simulator.objects.security import Oscore

_ACCOUNTS_KEY = 3


@dataclass(frozen=True, slots=True)
class OscoreKeys:
    """An OSCORE context as object 21 tells it, from the device's side."""

    master_secret: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes
    master_salt: bytes = field(default=b"", repr=False)
    id_context: bytes = b""

    def instance(self) -> Oscore:
        """Return the instance of object 21."""
        values: dict[int, ResourceValue] = {0: self.master_secret, 1: self.sender_id, 2: self.recipient_id}
        values |= {number: value for number, value in ((5, self.master_salt), (6, self.id_context)) if value}
        return Oscore(0, values)


@dataclass(frozen=True, slots=True)
class DeviceSecurity:
    """Keys in the form of object 0; `bootstrap` when the server's URI is that of a bootstrap server."""

    mode: SecurityMode = SecurityMode.NONE
    identity: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    server_key: bytes = b""
    bootstrap: bool = False
    oscore: OscoreKeys | None = None
    connection_id: bool = False
    """Whether DTLS sessions shall outlive changes of the device's address (RFC 9146)."""

    def account(self, uri: str, lifetime: int) -> Account:
        """Return the account that the device leaves the factory with."""
        return Account(
            uri,
            short_server_id=None if self.bootstrap else 1,
            security_mode=self.mode,
            identity=self.identity,
            server_key=self.server_key,
            secret=self.secret,
            lifetime=lifetime,
            binding=ServerUri.parse(uri).binding,
        )


def certificate_security(certificate: Path, key: Path, server_certificate: Path, *, bootstrap: bool) -> DeviceSecurity:
    """Read PEM files; raises InvalidFleet that names the file."""
    return DeviceSecurity(
        SecurityMode.CERTIFICATE,
        _certificate(certificate),
        _private_key(key),
        _certificate(server_certificate),
        bootstrap,
    )


def raw_key_security(key: Path, server_key: Path, *, bootstrap: bool) -> DeviceSecurity:
    """Read PEM files with the device's private key and the server's public key; raises InvalidFleet that names one."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    private = _private_key(key)
    try:
        server = serialization.load_pem_public_key(server_key.read_bytes()).public_bytes(encoding, form)
    except (OSError, ValueError) as error:
        raise InvalidFleet(f"{server_key} holds no public key in PEM", hint=str(error)) from error
    own = serialization.load_der_private_key(private, None).public_key().public_bytes(encoding, form)
    return DeviceSecurity(SecurityMode.RAW_PUBLIC_KEY, own, private, server, bootstrap)


def _certificate(path: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
    except (OSError, ValueError) as error:
        raise InvalidFleet(f"{path} holds no certificate in PEM", hint=str(error)) from error


def _private_key(path: Path) -> bytes:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidFleet(f"{path} holds no private key in PEM without a password", hint=str(error)) from error
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class JournalAccounts:
    """Keeps accounts in the journal, so that a reboot does not need another bootstrap."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self) -> bytes | None:
        """Return what was kept."""
        return self._journal.get(_ACCOUNTS_KEY)

    def save(self, accounts: bytes) -> None:
        """Keep this instead."""
        self._journal.put(_ACCOUNTS_KEY, accounts)
