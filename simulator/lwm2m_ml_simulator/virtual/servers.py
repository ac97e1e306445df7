"""LwM2M servers that can run in this process, and so on virtual time: what other packages offer as entry points.

An entry point of the group `lwm2m_ml_simulator.servers` is a function of a directory for the server's data; it returns
an async context manager, which gives an object with the attribute `uri`: where devices register. The server must use
the running event loop for its time and its sockets.
"""

from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from lwm2m_ml_simulator.errors import NoServer

GROUP = "lwm2m_ml_simulator.servers"


class VirtualServer(Protocol):
    """A started server; one with an operator's API may offer it as `api` (ASGI) with a `token`."""

    @property
    def uri(self) -> str:
        """Where devices register."""


class StartServer(Protocol):
    """What an entry point is."""

    def __call__(self, directory: Path, /) -> AbstractAsyncContextManager[Any]:
        """Run a server for as long as the context lasts."""


def load_server(name: str = "lwm2m-ml") -> StartServer:
    """Return the server with this name; raises NoServer that names those there are."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise NoServer(f"No package offers the server {name!r} for simulations", hint=f"There are: {known}")
    start: StartServer = found[name].load()
    return start
