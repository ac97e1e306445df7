"""A credential as the server knows it, without its secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lwm2m_ml.store.credentials import CredentialRecord


class CredentialKind(StrEnum):
    """How a device proves itself."""

    PSK = "psk"
    RAW_PUBLIC_KEY = "rpk"
    CERTIFICATE = "x509"
    OSCORE = "oscore"


@dataclass(frozen=True, slots=True)
class Credential:
    """One way for one endpoint to prove itself. Times are Unix seconds.

    `identity` is the PSK identity, the SHA-256 fingerprint of the certificate or public key, or the OSCORE recipient
    id with its context; `facts` are public: where it came from, certificates, OSCORE parameters, what it replaces.
    """

    id: str
    endpoint: str
    kind: CredentialKind
    identity: str
    facts: Mapping[str, Any]
    sealed: bytes = field(repr=False)
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    @property
    def name(self) -> str:
        """What the security layer calls the peer that holds it: unique among all credentials that are good."""
        return f"{self.kind}:{self.identity}"

    @property
    def context(self) -> str:
        """What its sealed secret is bound to."""
        return f"credential {self.id} of {self.endpoint}"

    @property
    def replaces(self) -> tuple[str, ...]:
        """The ids of the credentials that end when this one is first used."""
        return tuple(self.facts.get("replaces", ()))

    def good(self, now: float) -> bool:
        """Whether it lets its holder in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def to_record(self) -> CredentialRecord:
        """The store's record."""
        return CredentialRecord(
            self.id,
            self.endpoint,
            str(self.kind),
            self.identity,
            dict(self.facts),
            self.sealed,
            self.created_at,
            self.expires_at,
            self.revoked_at,
        )

    @classmethod
    def from_record(cls, record: CredentialRecord) -> "Credential":
        """The credential of a record."""
        return cls(
            record.id,
            record.endpoint,
            CredentialKind(record.kind),
            record.identity,
            record.facts,
            record.secret,
            record.created_at,
            record.expires_at,
            record.revoked_at,
        )


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new credential with what its device needs; `secret` is shown this once."""

    credential: Credential
    secret: Mapping[str, str] = field(repr=False)
