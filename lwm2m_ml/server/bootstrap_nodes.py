"""Which node a device is told at bootstrap: spread over those that live, or the first of them, and always the same one.

Spread by rendezvous hashing (Thaler and Ravishankar, 1998): each device ranks the nodes in an order of its own. When a
node comes or goes, only devices move that were there, or go there now.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lwm2m_ml.errors import UsageError


@dataclass(frozen=True, slots=True)
class BootstrapNodes:
    """URIs by the names of nodes, and whether devices are spread over them; else the first that lives gets all."""

    uris: Mapping[str, str]
    spread: bool = True

    def __post_init__(self) -> None:
        for name, uri in self.uris.items():
            if not _is_address(uri):
                raise UsageError(
                    f"{uri!r} of node {name!r} is no address for devices", hint="Give one like coaps://one.example:5684"
                )

    def of(self, endpoint: str, lives: Callable[[str], bool]) -> str | None:
        """The name of the node that a device is told; None when there are none. When none lives, any may come back."""
        names = [name for name in self.uris if lives(name)] or list(self.uris)
        if not names:
            return None
        return max(names, key=lambda name: _rank(name, endpoint)) if self.spread else names[0]


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme.startswith("coap") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _rank(name: str, endpoint: str) -> bytes:
    key = hashlib.blake2b(name.encode()).digest()
    return hashlib.blake2b(endpoint.encode(), key=key).digest()
