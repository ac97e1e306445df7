"""What two peers share, and where it is looked up (RFC 8613 §3.2; LwM2M object 21)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from lwm2m_ml.coap.oscore.algorithms import AEAD_ALGORITHMS, AES_CCM_16_64_128, HKDF_HASHES, HKDF_SHA_256
from lwm2m_ml.coap.oscore.errors import UnusableCredential

LARGEST_WINDOW = 1024
NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class OscoreCredential:
    """The input of one security context, from the side of its owner: we send as `sender_id`."""

    identity: str
    """The name of the peer for the layers above."""
    master_secret: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes
    id_context: bytes | None = None
    master_salt: bytes = field(default=b"", repr=False)
    algorithm: int = AES_CCM_16_64_128
    """COSE number of the AEAD algorithm."""
    hkdf: int = HKDF_SHA_256
    """COSE number of the key derivation."""
    window: int = 32

    def __post_init__(self) -> None:
        algorithm = AEAD_ALGORITHMS.get(self.algorithm)
        if algorithm is None or self.hkdf not in HKDF_HASHES:
            known = ", ".join(map(str, AEAD_ALGORITHMS))
            raise UnusableCredential(
                f"OSCORE cannot use AEAD algorithm {self.algorithm} with key derivation {self.hkdf}",
                hint=f"AEAD algorithms are {known}; key derivations {', '.join(map(str, HKDF_HASHES))}",
            )
        if max(len(self.sender_id), len(self.recipient_id)) > algorithm.largest_id:
            raise UnusableCredential(f"An OSCORE id may have at most {algorithm.largest_id} bytes")
        if self.sender_id == self.recipient_id:
            raise UnusableCredential("The two OSCORE ids of a context must differ")
        if not self.master_secret:
            raise UnusableCredential("The OSCORE master secret is empty")
        if not 1 <= self.window <= LARGEST_WINDOW:
            raise UnusableCredential(f"The OSCORE replay window must be between 1 and {LARGEST_WINDOW}")

    @property
    def context_name(self) -> str:
        """Names the state that belongs to exactly these keys; tells nothing about them."""
        parts = (self.master_secret, self.master_salt, self.sender_id, self.recipient_id, self.id_context or b"")
        digest = hashlib.blake2b(digest_size=NAME_BYTES, person=b"lwm2m-ml oscore")
        for part in (*parts, bytes((self.id_context is not None,)), b"%d %d" % (self.algorithm, self.hkdf)):
            digest.update(len(part).to_bytes(4) + part)
        return digest.hexdigest()


class OscoreLookup(Protocol):
    """Answers at once and from memory: it is asked when a message arrives."""

    def oscore_context(self, kid: bytes, kid_context: bytes | None) -> OscoreCredential | None:
        """The credential of who sends as `kid`; None when nobody does."""

    def oscore_server(self, host: str, port: int) -> OscoreCredential | None:
        """How to protect requests to a server; None when they are not protected by OSCORE."""


class OscoreKeyring:
    """A lookup in memory: one dictionary by kid and kid context."""

    __slots__ = ("_by_kid", "_by_kid_and_context", "_servers")

    def __init__(self) -> None:
        self._by_kid_and_context: dict[tuple[bytes, bytes | None], OscoreCredential] = {}
        self._by_kid: dict[bytes, list[OscoreCredential]] = {}
        self._servers: dict[tuple[str, int], OscoreCredential] = {}

    def add(self, credential: OscoreCredential, *, server: tuple[str, int] | None = None) -> None:
        """Know a peer; with `server`, requests to that host and port are protected with its context."""
        self._by_kid_and_context[credential.recipient_id, credential.id_context] = credential
        self._by_kid.setdefault(credential.recipient_id, []).append(credential)
        if server is not None:
            self._servers[server] = credential

    def remove(self, credential: OscoreCredential) -> None:
        """Know a peer no longer."""
        self._by_kid_and_context.pop((credential.recipient_id, credential.id_context), None)
        others = [other for other in self._by_kid.pop(credential.recipient_id, []) if other != credential]
        if others:
            self._by_kid[credential.recipient_id] = others
        self._servers = {server: other for server, other in self._servers.items() if other != credential}

    def oscore_context(self, kid: bytes, kid_context: bytes | None) -> OscoreCredential | None:
        """The credential for a kid; without a kid context in the message, the only one that has this kid."""
        found = self._by_kid_and_context.get((kid, kid_context))
        if found is None and kid_context is None:
            candidates = self._by_kid.get(kid, [])
            found = candidates[0] if len(candidates) == 1 else None
        return found

    def oscore_server(self, host: str, port: int) -> OscoreCredential | None:
        """The credential for a server."""
        return self._servers.get((host, port))
