"""Proof that a peer receives what is sent to its address, without keeping state for it (RFC 9175 §2)."""

import hashlib
import hmac
import secrets

LIFETIME = 240
"""Seconds for which a challenge can be answered."""
TIME_BYTES = 4
PROOF_BYTES = 8


class EchoChallenges:
    """Echo values: the time, and a keyed digest over it and the peer's address."""

    __slots__ = ("_key",)

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def challenge(self, address: tuple[str, int], now: float) -> bytes:
        """A value that only a peer at this address gets to see."""
        moment = int(now).to_bytes(TIME_BYTES)
        return moment + self._proof(moment, address)

    def proves(self, value: bytes, address: tuple[str, int], now: float) -> bool:
        """Whether the value was given to this address, not too long ago."""
        moment, proof = value[:TIME_BYTES], value[TIME_BYTES:]
        if not hmac.compare_digest(proof, self._proof(moment, address)):
            return False
        return 0 <= now - int.from_bytes(moment) <= LIFETIME

    def _proof(self, moment: bytes, address: tuple[str, int]) -> bytes:
        text = f"{address[0]} {address[1]}".encode()
        return hashlib.blake2b(moment + text, key=self._key, digest_size=PROOF_BYTES).digest()
