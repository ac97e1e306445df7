"""The address of an LwM2M server, as object 0 tells it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from lwm2m_ml.coap.endpoint import DEFAULT_PORTS
from lwm2m_ml.errors import UsageError

BINDINGS = {"coap": "U", "coaps": "U", "coap+tcp": "T", "coaps+tcp": "T"}
"""The letter of a scheme's transport in a registration's binding."""


@dataclass(frozen=True, slots=True)
class ServerUri:
    """Scheme, host and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, uri: str) -> "ServerUri":
        """Read `coaps://host:port`."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in DEFAULT_PORTS:
            raise UsageError(f"{uri!r} is not the address of an LwM2M server", hint="Write coap://host:port")
        return cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])

    @property
    def binding(self) -> str:
        """The transport's letter (Core TS §6.2.1.2)."""
        return BINDINGS[self.scheme]
