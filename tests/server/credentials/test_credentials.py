"""Credentials: issued, looked up, rotated, revoked."""

import asyncio
import datetime
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from lwm2m_ml.coap.dtls.certificates import PeerCertificate
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.server.credentials import drafts
from lwm2m_ml.server.credentials.credential import Credential, CredentialKind
from lwm2m_ml.server.credentials.credentials import (
    MAXIMUM_PER_ENDPOINT,
    CredentialConflict,
    Credentials,
    UnknownCredential,
    WantedCredential,
)
from lwm2m_ml.server.credentials.vault import SecretsUnreadable, Vault

PSK, X509, OSCORE = CredentialKind.PSK, CredentialKind.CERTIFICATE, CredentialKind.OSCORE


def key_of(credentials: Credentials, identity: str) -> bytes | None:
    granted = credentials.index.pre_shared_key(identity)
    return None if granted is None else granted.key


def peer(pem: str) -> PeerCertificate:
    return PeerCertificate(x509.load_pem_x509_certificate(pem.encode()))


async def test_a_key_is_found_by_its_identity(credentials: Credentials) -> None:
    issued = await credentials.add("dev", PSK, identity="me", key="01" * 16)
    granted = credentials.index.pre_shared_key("me")
    assert granted is not None
    assert (granted.identity, granted.key) == ("psk:me", b"\x01" * 16)
    assert credentials.endpoint_of(granted.identity) == "dev"
    assert issued.secret == {"identity": "me", "key": "01" * 16}
    assert credentials.index.pre_shared_key("you") is None


async def test_a_certificate_is_found_by_itself(credentials: Credentials) -> None:
    issued = await credentials.add("dev", X509)
    granted = credentials.index.certificate(peer(issued.secret["certificate"]))
    assert granted is not None
    assert credentials.endpoint_of(granted.identity) == "dev"
    assert credentials.index.certificate(peer(drafts.certificate("dev").shown["certificate"])) is None


async def test_an_authority_may_be_shared_by_endpoints(credentials: Credentials) -> None:
    authority = drafts.certificate("factory").shown["certificate"]
    for endpoint in ("a", "b"):
        await credentials.add(endpoint, X509, pem=authority, usage=2)
    assert len({one.name for one in credentials.list()}) == 2


async def test_only_endpoints_without_credentials_may_come_in_plain(credentials: Credentials) -> None:
    await credentials.add("dev", PSK, identity="me")
    assert not credentials.may_speak_for(None, "dev")
    assert credentials.may_speak_for(None, "other")
    assert credentials.may_speak_for("psk:me", "dev")
    assert not credentials.may_speak_for("psk:me", "other")
    assert not credentials.may_speak_for("psk:you", "dev")


async def test_an_identity_is_given_once(credentials: Credentials) -> None:
    await credentials.add("dev", PSK, identity="me")
    with pytest.raises(CredentialConflict):
        await credentials.add("other", PSK, identity="me")


async def test_a_batch_is_added_whole_or_not_at_all(credentials: Credentials) -> None:
    wanted = [WantedCredential("a", PSK, {"identity": "x"}), WantedCredential("b", PSK, {"identity": "x"})]
    with pytest.raises(CredentialConflict):
        await credentials.add_all(wanted)
    assert credentials.list() == ()


async def test_an_endpoint_has_a_bounded_number(credentials: Credentials) -> None:
    await credentials.add_all([WantedCredential("dev", PSK) for _ in range(MAXIMUM_PER_ENDPOINT)])
    with pytest.raises(CredentialConflict, match="16 credentials"):
        await credentials.add("dev", PSK)


@pytest.mark.parametrize("endpoint", ["", "x" * 256, "a\nb"])
async def test_an_impossible_endpoint_is_refused(credentials: Credentials, endpoint: str) -> None:
    with pytest.raises(InvalidInputError):
        await credentials.add(endpoint, PSK)


async def test_credentials_survive_a_restart(open_credentials: Any) -> None:
    first = await open_credentials()
    await first.add("dev", PSK, identity="me", key="02" * 16)
    await first.revoke((await first.add("gone", PSK, identity="gone")).credential.id)
    second = await open_credentials()
    assert key_of(second, "me") == b"\x02" * 16
    assert key_of(second, "gone") is None
    assert second.list() == first.list()


async def test_another_key_file_is_noticed_at_the_start(credentials: Credentials, store: Any, tmp_path: Path) -> None:
    await credentials.add("dev", PSK)
    with pytest.raises(SecretsUnreadable):
        await Credentials(store.credentials, Vault.open(tmp_path, "a phrase of some length")).load()


async def test_secrets_are_in_no_file_no_log_and_no_repr(credentials: Credentials, tmp_path: Path) -> None:
    with capture_logs() as logs:
        issued = [await credentials.add("dev", kind) for kind in CredentialKind]
        issued.append(await credentials.rotate(issued[0].credential.id, grace=60))
        await credentials.revoke(issued[-1].credential.id)
    with sqlite3.connect(tmp_path / "test.sqlite3") as connection:
        stored = "\n".join(connection.iterdump())
    connection.close()
    for one in issued:
        for name in {"key", "private_key", "master_secret"} & one.secret.keys():
            secret = one.secret[name]
            for where in (stored.lower(), str(logs), repr(one), repr(credentials.list())):
                assert secret.strip().splitlines()[-1 if name != "private_key" else 1] not in where


# Revocation


async def test_a_revoked_credential_lets_nobody_in_but_still_protects(credentials: Credentials) -> None:
    issued = await credentials.add("dev", PSK, identity="me")
    gone: list[Credential] = []
    credentials.attach(on_added=lambda _: None, on_gone=gone.append)
    await credentials.revoke(issued.credential.id)
    assert credentials.index.pre_shared_key("me") is None
    assert not credentials.index.is_valid("psk:me")
    assert not credentials.may_speak_for(None, "dev")
    assert [one.name for one in gone] == ["psk:me"]
    assert credentials.get(issued.credential.id).sealed == b""
    await credentials.add("dev", PSK, identity="me")


async def test_a_forgotten_credential_protects_no_more(credentials: Credentials, open_credentials: Any) -> None:
    issued = await credentials.add("dev", PSK)
    await credentials.forget(issued.credential.id)
    assert credentials.may_speak_for(None, "dev")
    with pytest.raises(UnknownCredential):
        credentials.get(issued.credential.id)
    assert (await open_credentials()).list() == ()


@pytest.mark.parametrize("operation", ["revoke", "forget"])
async def test_an_unknown_credential_is_an_error(credentials: Credentials, operation: str) -> None:
    with pytest.raises(UnknownCredential):
        await getattr(credentials, operation)("nothing")


# Rotation


@pytest.mark.parametrize("kind", list(CredentialKind))
async def test_the_earlier_one_is_good_until_the_new_one_is_used(
    credentials: Credentials, open_credentials: Any, kind: CredentialKind
) -> None:
    earlier = (await credentials.add("dev", kind)).credential
    later = (await credentials.rotate(earlier.id, grace=3600)).credential
    assert credentials.index.is_valid(earlier.name)
    assert credentials.index.is_valid(later.name)
    after_restart = await open_credentials()
    after_restart.used(earlier.name)
    assert after_restart.index.is_valid(earlier.name)
    after_restart.used(later.name)
    assert not after_restart.index.is_valid(earlier.name)
    assert [one.id for one in after_restart.list("dev")] == [later.id]


async def test_without_grace_the_earlier_one_ends_at_once(credentials: Credentials) -> None:
    earlier = (await credentials.add("dev", PSK)).credential
    gone: asyncio.Future[Credential] = asyncio.get_running_loop().create_future()
    credentials.attach(on_added=lambda _: None, on_gone=gone.set_result)
    await credentials.rotate(earlier.id, grace=0)
    assert not credentials.index.is_valid(earlier.name)
    assert (await asyncio.wait_for(gone, 5)).id == earlier.id
    assert len(credentials.list("dev")) == 1


async def test_a_revoked_one_is_not_rotated(credentials: Credentials) -> None:
    issued = await credentials.add("dev", PSK)
    await credentials.revoke(issued.credential.id)
    with pytest.raises(CredentialConflict):
        await credentials.rotate(issued.credential.id, grace=0)


async def test_an_authority_is_not_rotated(credentials: Credentials) -> None:
    authority = drafts.certificate("factory").shown["certificate"]
    issued = await credentials.add("dev", X509, pem=authority, usage=2)
    with pytest.raises(CredentialConflict):
        await credentials.rotate(issued.credential.id, grace=0)


@pytest.mark.parametrize("grace", [-1.0, 1e9])
async def test_the_grace_period_is_bounded(credentials: Credentials, grace: float) -> None:
    issued = await credentials.add("dev", PSK)
    with pytest.raises(InvalidInputError):
        await credentials.rotate(issued.credential.id, grace=grace)


# Authorities


def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return certified(name, key, name, key, ca=True), key


def certified(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


async def test_an_authority_vouches_for_the_endpoints_that_trust_it_only(credentials: Credentials) -> None:
    factory, factory_key = authority("factory")
    stranger, stranger_key = authority("stranger")
    for endpoint in ("a", "b"):
        await credentials.add(endpoint, X509, pem=pem(factory), usage=2)

    def endpoint_of(name: str, issuer: str, issuer_key: ec.EllipticCurvePrivateKey) -> str | None:
        shown = certified(name, ec.generate_private_key(ec.SECP256R1()), issuer, issuer_key, ca=False)
        granted = credentials.index.certificate(PeerCertificate(shown))
        return None if granted is None else credentials.endpoint_of(granted.identity)

    assert endpoint_of("a", "factory", factory_key) == "a"
    assert endpoint_of("b", "factory", factory_key) == "b"
    assert endpoint_of("c", "factory", factory_key) is None
    assert endpoint_of("a", "stranger", stranger_key) is None
    await credentials.add("a", X509, pem=pem(stranger), usage=0, authorities=pem(factory))
    assert endpoint_of("a", "stranger", stranger_key) is None


async def test_a_pinned_certificate_must_lead_to_its_authorities_with_usage_1(credentials: Credentials) -> None:
    factory, factory_key = authority("factory")
    stranger, _ = authority("stranger")
    key = ec.generate_private_key(ec.SECP256R1())
    good, bad = (certified(name, key, "factory", factory_key, ca=False) for name in ("a", "b"))
    await credentials.add("a", X509, pem=pem(good), usage=1, authorities=pem(factory))
    await credentials.add("b", X509, pem=pem(bad), usage=1, authorities=pem(stranger))
    assert credentials.index.certificate(PeerCertificate(good)) is not None
    assert credentials.index.certificate(PeerCertificate(bad)) is None


async def test_a_context_is_found_by_its_kid_when_that_is_enough(credentials: Credentials) -> None:
    await credentials.add("a", OSCORE, device_id="01", server_id="0a", id_context="cc")
    found = credentials.index.oscore_context(b"\x01", None)
    assert found is not None
    assert found.identity == "oscore:01.cc"
    await credentials.add("b", OSCORE, device_id="01", server_id="0a", id_context="dd")
    assert credentials.index.oscore_context(b"\x01", None) is None
    assert credentials.index.oscore_context(b"\x01", b"\xdd") is not None
    await credentials.revoke(credentials.list("a")[0].id)
    remaining = credentials.index.oscore_context(b"\x01", None)
    assert remaining is not None
    assert remaining.identity == "oscore:01.dd"
