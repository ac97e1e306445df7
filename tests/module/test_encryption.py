"""Encrypted payloads, with pycose as the oracle for COSE_Encrypt."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pycose.algorithms import EcdhEsA128KW
from pycose.keys import OKPKey, SymmetricKey
from pycose.keys.curves import X25519
from pycose.messages import CoseMessage, EncMessage

from lwm2m_ml.module import cbor
from lwm2m_ml.module.encryption import (
    DecryptionKey,
    DevicePrivateKey,
    PayloadDecryptor,
    SharedKey,
    WrappingKey,
    encrypt,
    encryption_information,
)
from lwm2m_ml.module.errors import InvalidPackageFactsError, ModuleRejected
from lwm2m_ml.module.results import ModuleResult

PAYLOAD = bytes(range(200))
SHARED = SharedKey(bytes(range(16)))
DEVICE = DevicePrivateKey(X25519PrivateKey.generate())
WAYS: list[tuple[WrappingKey, DecryptionKey]] = [(SHARED, SHARED), (DEVICE.public, DEVICE)]
BOTH_WAYS = pytest.mark.parametrize(("wrapping", "unwrapping"), WAYS, ids=["A128KW", "ECDH-ES+A128KW"])


def decrypt(information: bytes, data: bytes, key: DecryptionKey | None, piece: int = 64) -> bytes:
    decryptor, plain = PayloadDecryptor(information, len(data), key), bytearray()
    for start in range(0, len(data), piece):
        plain += decryptor.feed(data[start : start + piece])
    decryptor.finish()
    return bytes(plain)


@BOTH_WAYS
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_device_decrypts_what_was_encrypted_for_it(
    wrapping: WrappingKey, unwrapping: DecryptionKey, piece: int
) -> None:
    encrypted = encrypt(PAYLOAD)
    assert PAYLOAD not in encrypted.data
    assert decrypt(encryption_information(encrypted, [wrapping]), encrypted.data, unwrapping, piece) == PAYLOAD


def test_a_payload_is_encrypted_once_and_its_key_wrapped_for_each_device() -> None:
    encrypted = encrypt(PAYLOAD)
    information = encryption_information(encrypted, [wrapping for wrapping, _ in WAYS])
    for _, unwrapping in WAYS:
        assert decrypt(information, encrypted.data, unwrapping) == PAYLOAD


@pytest.fixture
def pycose_with_x25519(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach pycose 1.1 the agreement itself, which it knows for P-256 only; key derivation and the rest are its own."""

    def agree(curve: object, private: OKPKey, public: OKPKey) -> bytes:
        return X25519PrivateKey.from_private_bytes(private.d).exchange(X25519PublicKey.from_public_bytes(public.x))

    monkeypatch.setattr(EcdhEsA128KW, "_ecdh", agree)


@BOTH_WAYS
@pytest.mark.usefixtures("pycose_with_x25519")
def test_pycose_decrypts_it(wrapping: WrappingKey, unwrapping: DecryptionKey) -> None:
    encrypted = encrypt(PAYLOAD)
    value = cbor.decode(encryption_information(encrypted, [wrapping])).value
    value[2] = encrypted.data
    message = CoseMessage.decode(b"\xd8\x60" + cbor.encode(value))
    assert isinstance(message, EncMessage)
    (recipient,) = message.recipients
    if isinstance(unwrapping, SharedKey):
        recipient.key = SymmetricKey(k=unwrapping.key)
    else:
        private = unwrapping.private_key
        public = private.public_key().public_bytes_raw()
        recipient.key = OKPKey(crv=X25519, x=public, d=private.private_bytes_raw())
    assert message.decrypt(recipient) == PAYLOAD


@BOTH_WAYS
def test_every_changed_bit_is_noticed(wrapping: WrappingKey, unwrapping: DecryptionKey) -> None:
    encrypted = encrypt(PAYLOAD)
    information = encryption_information(encrypted, [wrapping])
    for position in range(len(encrypted.data)):
        changed = bytearray(encrypted.data)
        changed[position] ^= 1
        with pytest.raises(ModuleRejected) as caught:
            decrypt(information, bytes(changed), unwrapping)
        assert caught.value.result is ModuleResult.DECRYPTION_FAILED


@BOTH_WAYS
def test_another_device_cannot_decrypt_it(wrapping: WrappingKey, unwrapping: DecryptionKey) -> None:
    encrypted = encrypt(PAYLOAD)
    information = encryption_information(encrypted, [wrapping])
    for other in (SharedKey(bytes(16)), DevicePrivateKey(X25519PrivateKey.generate()), None):
        with pytest.raises(ModuleRejected) as caught:
            decrypt(information, encrypted.data, other)
        assert caught.value.result is ModuleResult.DECRYPTION_FAILED


@given(st.integers(0, 200), st.integers(1, 255))
def test_changed_encryption_information_is_refused_or_makes_no_difference(position: int, mask: int) -> None:
    encrypted = encrypt(PAYLOAD)
    information = bytearray(encryption_information(encrypted, [DEVICE.public]))
    information[position % len(information)] ^= mask
    try:
        plain = decrypt(bytes(information), encrypted.data, DEVICE)
    except ModuleRejected as rejection:
        plain = b"" if rejection.result is ModuleResult.DECRYPTION_FAILED else b"another result"
    # X25519 ignores the highest bit of a public key (RFC 7748 §5).
    assert plain in (b"", PAYLOAD)


@given(st.binary(max_size=60))
def test_arbitrary_information_is_refused(data: bytes) -> None:
    for information in (data, b"\xd8\x60" + data):
        with pytest.raises(ModuleRejected):
            PayloadDecryptor(information, 100, DEVICE)


def test_a_point_of_small_order_is_refused() -> None:
    encrypted = encrypt(PAYLOAD)
    value = cbor.decode(encryption_information(encrypted, [DEVICE.public])).value
    value[3][0][1][-1][-2] = bytes(32)
    with pytest.raises(ModuleRejected):
        decrypt(b"\xd8\x60" + cbor.encode(value), encrypted.data, DEVICE)


def test_a_payload_shorter_than_its_tag_is_refused() -> None:
    information = encryption_information(encrypt(PAYLOAD), [SHARED])
    with pytest.raises(ModuleRejected):
        PayloadDecryptor(information, 15, SHARED)


def test_shared_keys_have_16_bytes() -> None:
    with pytest.raises(InvalidPackageFactsError):
        SharedKey(bytes(15))


def test_keys_are_not_shown() -> None:
    assert "key=" not in repr(SHARED)
    assert "content_key" not in repr(encrypt(PAYLOAD))
