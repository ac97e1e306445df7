"""From secrets to keys: TLS's pseudorandom function and what is made with it (RFC 5246 §5, §6.3, §8.1; RFC 7627)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from lwm2m_ml.coap.dtls12.numbers import MASTER_SECRET_BYTES, VERIFY_DATA_BYTES

CLIENT_FINISHED = b"client finished"
SERVER_FINISHED = b"server finished"
_SHA256 = SHA256()


class Prf:
    """P_SHA256 with one secret (RFC 5246 §5), which is taken in once for all that is made with it."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        self._keyed = HMAC(secret, _SHA256)

    def make(self, label: bytes, seed: bytes, length: int) -> bytes:
        """So many bytes that nobody without the secret can tell from random ones."""
        seed = label + seed
        chained = seed
        output = b""
        while len(output) < length:
            chained = self._digest(chained)
            output += self._digest(chained + seed)
        return output[:length]

    def _digest(self, data: bytes) -> bytes:
        one = self._keyed.copy()
        one.update(data)
        return one.finalize()


def psk_premaster(key: bytes, shared: bytes | None = None) -> bytes:
    """The premaster secret of a pre-shared key, alone (RFC 4279 §2) or with a Diffie-Hellman secret (RFC 5489 §2)."""
    other = bytes(len(key)) if shared is None else shared
    return len(other).to_bytes(2) + other + len(key).to_bytes(2) + key


def master_secret(premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """RFC 5246 §8.1."""
    return Prf(premaster).make(b"master secret", client_random + server_random, MASTER_SECRET_BYTES)


def extended_master_secret(premaster: bytes, session_hash: bytes) -> bytes:
    """Bound to everything that was said so far (RFC 7627 §4)."""
    return Prf(premaster).make(b"extended master secret", session_hash, MASTER_SECRET_BYTES)


def key_block(master: Prf, client_random: bytes, server_random: bytes, length: int) -> bytes:
    """The bytes that are cut into keys (RFC 5246 §6.3)."""
    return master.make(b"key expansion", server_random + client_random, length)


def verify_data(master: Prf, label: bytes, transcript_hash: bytes) -> bytes:
    """What a Finished says (RFC 5246 §7.4.9)."""
    return master.make(label, transcript_hash, VERIFY_DATA_BYTES)
