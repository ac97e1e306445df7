"""Object 1, LwM2M Server: how long and how this client is registered (Core TS §E.2)."""

from collections.abc import Callable

from aiocoap import Code

from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)


class Server(ObjectInstance):
    """The terms of the registration. `on_update` is called when the server has to be told something now."""

    object_id = 1
    version = "1.1"

    def __init__(self, *, lifetime: int, binding: str = "U", short_server_id: int = 1, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.lifetime = lifetime
        self.binding = binding
        self.send_muted = False
        self.default_minimum_period = 0
        self.default_maximum_period: int | None = None
        self.on_update: Callable[[], None] = lambda: None
        self._short_server_id = short_server_id
        self._store_notifications = True

    def notification_defaults(self) -> NotificationAttributes:
        """Return what holds for observations that say nothing else."""
        return NotificationAttributes(
            minimum_period=self.default_minimum_period, maximum_period=self.default_maximum_period
        )

    @readable(0)
    def read_short_server_id(self) -> int:
        """Short Server ID."""
        return self._short_server_id

    @readable(1)
    def read_lifetime(self) -> int:
        """Lifetime in seconds."""
        return self.lifetime

    @writable(1)
    def write_lifetime(self, value: ResourceValue) -> None:
        """Change the lifetime, which the server learns by an Update."""
        if not isinstance(value, int) or value < 0:
            raise OperationRefused(Code.BAD_REQUEST, "a lifetime is a number of seconds")
        self.lifetime = value
        self.on_update()

    @readable(2)
    def read_default_minimum_period(self) -> int:
        """Default Minimum Period in seconds."""
        return self.default_minimum_period

    @writable(2)
    def write_default_minimum_period(self, value: ResourceValue) -> None:
        """Set the period that observations without pmin have."""
        self.default_minimum_period = _period(value)

    @readable(3)
    def read_default_maximum_period(self) -> int | None:
        """Default Maximum Period in seconds, if there is one."""
        return self.default_maximum_period

    @writable(3)
    def write_default_maximum_period(self, value: ResourceValue) -> None:
        """Set the period that observations without pmax have; 0 means none."""
        self.default_maximum_period = _period(value) or None

    @readable(6)
    def read_store_notifications(self) -> bool:
        """Notification Storing When Disabled or Offline."""
        return self._store_notifications

    @writable(6)
    def write_store_notifications(self, value: ResourceValue) -> None:
        """Choose whether notifications wait for the server."""
        self._store_notifications = bool(value)

    @readable(7)
    def read_binding(self) -> str:
        """Binding."""
        return self.binding

    @executable(8)
    def trigger_update(self, arguments: Arguments) -> None:
        """Registration Update Trigger."""
        self.on_update()

    @readable(23)
    def read_send_muted(self) -> bool:
        """Mute Send."""
        return self.send_muted

    @writable(23)
    def write_send_muted(self, value: ResourceValue) -> None:
        """Mute or allow Send."""
        self.send_muted = bool(value)


def _period(value: ResourceValue) -> int:
    if not isinstance(value, int) or value < 0:
        raise OperationRefused(Code.BAD_REQUEST, "a period is a number of seconds")
    return value
