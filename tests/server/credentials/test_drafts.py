"""New credentials: made up, or checked when given."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lwm2m_ml.server.credentials import drafts
from lwm2m_ml.server.credentials.drafts import UnusableCredential


def weak_certificate() -> str:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_made_up_keys_differ() -> None:
    first, second = drafts.pre_shared_key("dev"), drafts.pre_shared_key("dev")
    assert first.secret != second.secret
    assert first.identity != second.identity
    assert first.identity.startswith("dev-")
    assert len(first.secret) == 16


def test_a_given_key_is_kept() -> None:
    draft = drafts.pre_shared_key("dev", identity="me", key="00" * 16)
    assert (draft.identity, draft.secret, draft.facts) == ("me", bytes(16), {"origin": "given"})


@pytest.mark.parametrize("key", ["00" * 15, "00" * 65, "no hex", ""])
def test_a_weak_or_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(UnusableCredential):
        drafts.pre_shared_key("dev", identity="me", key=key)


@pytest.mark.parametrize("identity", ["x" * 129, "a\nb"])
def test_an_identity_that_cannot_be_sent_is_refused(identity: str) -> None:
    with pytest.raises(UnusableCredential):
        drafts.pre_shared_key("dev", identity=identity)


def test_the_server_keeps_no_private_key_of_a_certificate() -> None:
    draft = drafts.certificate("dev")
    assert draft.secret == b""
    assert "PRIVATE KEY" in draft.shown["private_key"]
    assert "PRIVATE KEY" not in str(draft.facts)


def test_a_made_certificate_matches_its_key() -> None:
    shown = drafts.certificate("dev").shown
    certificate = x509.load_pem_x509_certificate(shown["certificate"].encode())
    key = serialization.load_pem_private_key(shown["private_key"].encode(), None)
    assert certificate.public_key() == key.public_key()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"pem": "no certificate"}, "read"),
        ({"pem": weak_certificate()}, "weak"),
        ({"pem": drafts.certificate("dev").shown["certificate"], "usage": 4}, "usage"),
        ({"pem": drafts.certificate("dev").shown["certificate"], "usage": 0}, "authorities"),
        ({"pem": drafts.certificate("dev").shown["certificate"], "usage": 1}, "authorities"),
    ],
)
def test_an_unusable_certificate_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(UnusableCredential, match=reason):
        drafts.certificate("dev", **given)  # type: ignore[arg-type]


def test_both_sides_of_an_oscore_context_mirror_each_other() -> None:
    draft = drafts.oscore_context(master_secret="aa" * 16, device_id="01", server_id="02", id_context="07")
    assert draft.identity == "01.07"
    assert (draft.facts["recipient_id"], draft.facts["sender_id"]) == ("01", "02")
    assert (draft.shown["recipient_id"], draft.shown["sender_id"]) == ("02", "01")
    assert draft.shown["id_context"] == "07"


@pytest.mark.parametrize(
    "given", [{"master_secret": "aa"}, {"device_id": "01", "server_id": "01"}, {"device_id": "00" * 8}]
)
def test_an_unusable_oscore_context_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(UnusableCredential):
        drafts.oscore_context(**given)


def test_drafts_do_not_show_their_secrets() -> None:
    draft = drafts.pre_shared_key("dev", key="ab" * 16)
    assert "abab" not in repr(draft)
    assert repr(bytes.fromhex("ab" * 16)) not in repr(draft)
