"""COSE_Sign1, with pycose as the independent oracle in both directions."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pycose.algorithms import EdDSA, Es256
from pycose.headers import KID
from pycose.headers import Algorithm as AlgorithmHeader
from pycose.keys import EC2Key, OKPKey
from pycose.keys.curves import P256, Ed25519
from pycose.messages import CoseMessage, Sign1Message

from lwm2m_ml.module import cbor, cose
from lwm2m_ml.module.signing import Algorithm, SigningKey

ALGORITHMS = pytest.mark.parametrize("algorithm", list(Algorithm))
PAYLOAD = b"the digest of a manifest"


def pycose_key(key: SigningKey) -> EC2Key | OKPKey:
    private = key.private_key
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return OKPKey(crv=Ed25519, x=private.public_key().public_bytes_raw(), d=private.private_bytes_raw())
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    numbers = private.private_numbers()
    public = numbers.public_numbers
    parts = (number.to_bytes(32, "big") for number in (public.x, public.y, numbers.private_value))
    return EC2Key(P256, *parts)


@ALGORITHMS
def test_pycose_verifies_what_we_sign(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    message = CoseMessage.decode(cose.sign1(PAYLOAD, key))
    assert isinstance(message, Sign1Message)
    message.key = pycose_key(key)
    assert message.uhdr[KID] == key.key_id[:8]
    assert message.verify_signature(detached_payload=PAYLOAD)
    assert not message.verify_signature(detached_payload=PAYLOAD + b"!")


@ALGORITHMS
def test_we_verify_what_pycose_signs(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    header = {AlgorithmHeader: EdDSA if algorithm is Algorithm.EDDSA else Es256}
    message = Sign1Message(phdr=header, uhdr={KID: key.key_id[:8]}, payload=None)
    message.key = pycose_key(key)
    detached = message.encode(detached_payload=PAYLOAD)
    assert cose.verify1(detached, PAYLOAD, cose.trust([key.verification_key])) == key.verification_key


@ALGORITHMS
def test_a_message_without_key_identifier_is_tried_with_every_trusted_key(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    protected, _, _, signature = cbor.decode(cose.sign1(PAYLOAD, key)[1:])
    anonymous = cose.SIGN1_TAG + cbor.encode([protected, {}, None, signature])
    others = [SigningKey.generate(other).verification_key for other in Algorithm]
    assert cose.verify1(anonymous, PAYLOAD, cose.trust([*others, key.verification_key])) == key.verification_key
    assert cose.verify1(anonymous, PAYLOAD, cose.trust(others)) is None


@ALGORITHMS
def test_nobody_untrusted_is_believed(algorithm: Algorithm) -> None:
    message = cose.sign1(PAYLOAD, SigningKey.generate(algorithm))
    assert cose.verify1(message, PAYLOAD, cose.trust([SigningKey.generate(algorithm).verification_key])) is None
    assert cose.verify1(message, PAYLOAD, {}) is None


@ALGORITHMS
def test_every_changed_bit_and_every_truncation_is_refused(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    message, trusted = cose.sign1(PAYLOAD, key), cose.trust([key.verification_key])
    assert cose.verify1(message, PAYLOAD, trusted) is not None
    for position in range(len(message)):
        assert cose.verify1(message[:position], PAYLOAD, trusted) is None
        for bit in range(8):
            changed = bytearray(message)
            changed[position] ^= 1 << bit
            assert cose.verify1(bytes(changed), PAYLOAD, trusted) is None, (position, bit)


@pytest.mark.parametrize(
    "change",
    [
        lambda p, u, s: [cbor.encode({1: -7}), u, None, s],
        lambda p, u, s: [cbor.encode({1: -8, 4: b"x"}), u, None, s],
        lambda p, u, s: [cbor.encode({}), u, None, s],
        lambda p, u, s: [b"\xa1\x01", u, None, s],
        lambda p, u, s: [p, u | {99: 1}, None, s],
        lambda p, u, s: [p, {4: "text"}, None, s],
        lambda p, u, s: [p, {4: None}, None, s],
        lambda p, u, s: [p, {4: b""}, None, s],
        lambda p, u, s: [p, {4: u[4][:7]}, None, s],
        lambda p, u, s: [p, u, PAYLOAD, s],
        lambda p, u, s: [p, u, None, s + b"\0"],
        lambda p, u, s: [p, u, None],
        lambda p, u, s: {1: 2},
    ],
)
def test_other_headers_and_forms_are_refused(change: object) -> None:
    key = SigningKey.generate()
    protected, unprotected, _, signature = cbor.decode(cose.sign1(PAYLOAD, key)[1:])
    assert callable(change)
    message = cose.SIGN1_TAG + cbor.encode(change(protected, unprotected, signature))
    assert cose.verify1(message, PAYLOAD, cose.trust([key.verification_key])) is None
