"""Objects 0 (Security), 2 (Access Control) and 21 (OSCORE): what a bootstrap server gives (Core TS §E.1, §E.3)."""

from typing import Self

from lwm2m_ml.lwm2m.bootstrap import Account, SecurityMode
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml_simulator.objects.base import ResourceValue
from lwm2m_ml_simulator.objects.stored import StoredInstance


class Security(StoredInstance):
    """The account of one server. The tree answers every server that asks for it with 4.01."""

    object_id = 0
    readable_by_servers = False

    @classmethod
    def of(cls, account: Account, instance_id: int = 0) -> Self:
        """Return the instance that says what `account` says."""
        values: dict[int, ResourceValue] = {
            0: account.uri,
            1: account.for_bootstrap,
            2: int(account.security_mode),
            3: account.identity,
            4: account.server_key,
            5: account.secret,
        }
        if account.short_server_id is not None:
            values[10] = account.short_server_id
        return cls(instance_id, values)

    @property
    def server_uri(self) -> str:
        """The server's URI."""
        return str(self.values.get(0, ""))

    @property
    def for_bootstrap(self) -> bool:
        """Whether the account leads to a bootstrap server."""
        return bool(self.values.get(1, False))

    @property
    def mode(self) -> SecurityMode:
        """How the connection is protected; an unknown number is as good as none."""
        number = self.values.get(2, SecurityMode.NONE)
        return next((mode for mode in SecurityMode if mode == number), SecurityMode.NONE)

    @property
    def identity(self) -> bytes:
        """The PSK identity, or the device's certificate (DER)."""
        return self._octets(3)

    @property
    def server_key(self) -> bytes:
        """The server's certificate, or the one that stands for it (DER)."""
        return self._octets(4)

    @property
    def secret(self) -> bytes:
        """The pre-shared key, or the device's private key (DER)."""
        return self._octets(5)

    @property
    def short_server_id(self) -> int | None:
        """The number that links the account to an instance of object 1."""
        number = self.values.get(10)
        return number if isinstance(number, int) else None

    @property
    def server_name(self) -> str:
        """SNI."""
        return str(self.values.get(14, ""))

    @property
    def certificate_usage(self) -> int | None:
        """Certificate Usage, if it is told."""
        number = self.values.get(15)
        return number if isinstance(number, int) else None

    @property
    def oscore_instance(self) -> int | None:
        """The instance of object 21 that the account uses, if it does."""
        link = self.values.get(17)
        return link.instance_id if isinstance(link, ObjectLink) and link.object_id == Oscore.object_id else None

    def _octets(self, resource_id: int) -> bytes:
        value = self.values.get(resource_id, b"")
        return value if isinstance(value, bytes) else b""

    def __repr__(self) -> str:
        return f"Security({self.instance_id}, {self.server_uri!r})"


class AccessControl(StoredInstance):
    """Who may do what with one object instance."""

    object_id = 2
    writable_ids = frozenset({2, 3})


class Oscore(StoredInstance):
    """The keys of an OSCORE context; servers see as little of it as of object 0."""

    object_id = 21
    readable_by_servers = False

    def octets(self, resource_id: int) -> bytes:
        """Return an opaque value, empty where there is none."""
        value = self.values.get(resource_id, b"")
        return value if isinstance(value, bytes) else b""

    def number(self, resource_id: int, default: int) -> int:
        """Return an integer."""
        value = self.values.get(resource_id, default)
        return value if isinstance(value, int) else default
