"""Connection ids that we give out: all of one length, with the number of the node that knows the session in front.

A node that gets a record of another node sees so from the first bytes, without a table (RFC 9146 §3, §6). The rest is
random: ids of different sessions cannot be linked, and nobody guesses one that is in use.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Self

NODE_BYTES = 2
RANDOM_BYTES = 6
CID_BYTES = NODE_BYTES + RANDOM_BYTES


@dataclass(frozen=True, slots=True)
class ConnectionIds:
    """Makes the connection ids of one node of a cluster; `node` is 0 to 65,535."""

    node: int = 0

    @classmethod
    def of(cls, name: str) -> Self:
        """Those of the node that is called so: a balancer can compute its number, the beginning of SHA-256, itself.

        Of few nodes hardly any two have the same; they would only look like one to a balancer.
        """
        return cls(int.from_bytes(hashlib.sha256(name.encode()).digest()[:NODE_BYTES]))

    def new(self) -> bytes:
        """An id for another session."""
        return self.node.to_bytes(NODE_BYTES) + secrets.token_bytes(RANDOM_BYTES)


def node_of(cid: bytes) -> int:
    """The node that gave an id out."""
    return int.from_bytes(cid[:NODE_BYTES])
