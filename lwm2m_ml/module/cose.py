"""COSE_Sign1 (RFC 9052 §4.2) with a detached payload, as SUIT wants it, and nothing of COSE beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from lwm2m_ml.module import cbor
from lwm2m_ml.module.algorithms import SIGNATURE_BYTES
from lwm2m_ml.module.errors import MalformedCborError
from lwm2m_ml.module.signing import SigningKey, VerificationKey

SIGN1_TAG = b"\xd2"  # tag 18
_ALGORITHM, _KEY_ID = 1, 4
KEY_ID_BYTES = 8
"""How much of a key's thumbprint names it in a message. It only says which keys to try: nobody is trusted for it."""
MAXIMUM_SIGN1_BYTES = 192


def trust(keys: Iterable[VerificationKey]) -> Mapping[bytes, VerificationKey]:
    """Return the keys by their thumbprints."""
    return {key.key_id: key for key in keys}


def sign1(payload: bytes, key: SigningKey) -> bytes:
    """Return the tagged COSE_Sign1 for a payload that is not in it; its unprotected header names the key."""
    protected = cbor.encode({_ALGORITHM: int(key.algorithm)})
    signature = key.sign(_to_be_signed(protected, payload))
    return SIGN1_TAG + cbor.encode([protected, _naming(key), None, signature])


def verify1(message: bytes, payload: bytes, trusted: Mapping[bytes, VerificationKey]) -> VerificationKey | None:
    """Return the trusted key that signed `payload`; None when the message is malformed or from nobody trusted.

    A message without key identifier is tried with every trusted key of its algorithm.
    """
    parts = _parse(message)
    if parts is None:
        return None
    protected, algorithm, key_id, signature = parts
    signed = _to_be_signed(protected, payload)
    for thumbprint, key in trusted.items():
        if thumbprint.startswith(key_id) and key.algorithm == algorithm and key.verify(signature, signed):
            return key
    return None


def _naming(key: SigningKey) -> dict[int, bytes]:
    """Unprotected header that names a key."""
    return {_KEY_ID: key.key_id[:KEY_ID_BYTES]}


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 §4.4, without external data."""
    return cbor.encode(["Signature1", protected, b"", payload])


def _parse(message: bytes) -> tuple[bytes, int, bytes, bytes] | None:
    """Return protected header, algorithm, key identifier (empty if none) and signature of a tagged COSE_Sign1."""
    if len(message) > MAXIMUM_SIGN1_BYTES or not message.startswith(SIGN1_TAG):
        return None
    try:
        fields: Any = cbor.decode(message[len(SIGN1_TAG) :])
    except MalformedCborError:
        return None
    match fields:
        case [bytes() as protected, dict() as unprotected, None, bytes() as signature]:
            algorithm, key_id = _algorithm(protected), _named(unprotected)
        case _:
            return None
    if algorithm is None or key_id is None or len(signature) != SIGNATURE_BYTES:
        return None
    return protected, algorithm, key_id, signature


def _named(unprotected: dict[Any, Any]) -> bytes | None:
    """Return the key identifier of an unprotected header, empty if it is empty; None if it holds anything else."""
    match unprotected:
        case {4: bytes() as key_id} if len(unprotected) == 1 and len(key_id) == KEY_ID_BYTES:
            return key_id
        case _:
            return None if unprotected else b""


def _algorithm(protected: bytes) -> int | None:
    """Return the algorithm of a protected header that holds nothing else."""
    try:
        header: Any = cbor.decode(protected)
    except MalformedCborError:
        return None
    match header:
        case {1: int() as algorithm} if len(header) == 1:
            return algorithm
        case _:
            return None


def sign1_attached(payload: bytes, key: SigningKey) -> bytes:
    """Return the tagged COSE_Sign1 with the payload in it."""
    protected = cbor.encode({_ALGORITHM: int(key.algorithm)})
    signature = key.sign(_to_be_signed(protected, payload))
    return SIGN1_TAG + cbor.encode([protected, _naming(key), payload, signature])


def verify1_attached(message: bytes, trusted: Mapping[bytes, VerificationKey]) -> bytes | None:
    """Return the payload of a message that a trusted key signed; None when it is malformed or from nobody trusted."""
    if not message.startswith(SIGN1_TAG):
        return None
    try:
        fields: Any = cbor.decode(message[len(SIGN1_TAG) :])
    except MalformedCborError:
        return None
    match fields:
        case [protected, unprotected, bytes() as payload, signature]:
            detached = SIGN1_TAG + cbor.encode([protected, unprotected, None, signature])
            return payload if verify1(detached, payload, trusted) is not None else None
        case _:
            return None


def attached_payload(message: bytes) -> bytes:
    """Return the payload of a tagged COSE_Sign1, whoever signed it; raises MalformedCborError."""
    fields: Any = cbor.decode(message.removeprefix(SIGN1_TAG))
    match fields:
        case [_, _, bytes() as payload, _] if message.startswith(SIGN1_TAG):
            return payload
        case _:
            raise MalformedCborError("This is no COSE_Sign1 with its payload in it")
