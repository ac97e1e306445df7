"""Object 1, LwM2M Server: how long and how this client is registered (Core TS §E.2)."""

from collections.abc import Callable

from aiocoap import Code

from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.bindings import Binding
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)

_DEFAULT_DISABLE_TIMEOUT = 86_400


class Server(ObjectInstance):
    """The terms of the registration. `on_update` is called when the server has to be told something now."""

    object_id = 1

    def __init__(self, *, lifetime: int, binding: str = "U", short_server_id: int = 1, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.lifetime = lifetime
        self.binding = binding
        self.short_server_id = short_server_id
        self.send_muted = False
        self.default_minimum_period = 0
        self.default_maximum_period: int | None = None
        self.disable_timeout = _DEFAULT_DISABLE_TIMEOUT
        self.notifies_confirmably = True
        self.store_notifications = True
        self.on_update: Callable[[], None] = lambda: None
        self.on_disable: Callable[[], None] = lambda: None
        self.on_bootstrap: Callable[[], None] = lambda: None

    async def provision(self, resource_id: int, value: ResourceValue) -> None:
        """Take a value from the bootstrap server: unlike servers it may write the short server id."""
        if resource_id == 0 and isinstance(value, int):
            self.short_server_id = value
        elif resource_id == 1 and isinstance(value, int):
            self.lifetime = value
        else:
            await super().provision(resource_id, value)

    def notification_defaults(self) -> NotificationAttributes:
        """Return what holds for observations that say nothing else."""
        return NotificationAttributes(
            minimum_period=self.default_minimum_period, maximum_period=self.default_maximum_period
        )

    @readable(0)
    def read_short_server_id(self) -> int:
        """Short Server ID."""
        return self.short_server_id

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

    @executable(4)
    def disable(self, arguments: Arguments) -> None:
        """Disable: leave the server for a while."""
        self.on_disable()

    @readable(5)
    def read_disable_timeout(self) -> int:
        """Disable Timeout in seconds."""
        return self.disable_timeout

    @writable(5)
    def write_disable_timeout(self, value: ResourceValue) -> None:
        """Set for how long Disable lasts."""
        self.disable_timeout = _period(value)

    @readable(6)
    def read_store_notifications(self) -> bool:
        """Notification Storing When Disabled or Offline."""
        return self.store_notifications

    @writable(6)
    def write_store_notifications(self, value: ResourceValue) -> None:
        """Choose whether notifications wait for the server."""
        self.store_notifications = bool(value)

    @readable(7)
    def read_binding(self) -> str:
        """Binding."""
        return self.binding

    @writable(7)
    def write_binding(self, value: ResourceValue) -> None:
        """Set the binding, which the server learns by an Update."""
        if not isinstance(value, str) or Binding.parse(value) is None:
            raise OperationRefused(Code.BAD_REQUEST, "a binding is made of the letters U, T, S, N, M, H and Q")
        self.binding = value
        self.on_update()

    @executable(8)
    def trigger_update(self, arguments: Arguments) -> None:
        """Registration Update Trigger."""
        self.on_update()

    @executable(9)
    def trigger_bootstrap(self, arguments: Arguments) -> None:
        """Bootstrap-Request Trigger."""
        self.on_bootstrap()

    @readable(23)
    def read_send_muted(self) -> bool:
        """Mute Send."""
        return self.send_muted

    @writable(23)
    def write_send_muted(self, value: ResourceValue) -> None:
        """Mute or allow Send."""
        self.send_muted = bool(value)

    @readable(26)
    def read_notification_mode(self) -> int:
        """Default Notification Mode: 0 non-confirmable, 1 confirmable."""
        return int(self.notifies_confirmably)

    @writable(26)
    def write_notification_mode(self, value: ResourceValue) -> None:
        """Choose how notifications without the attribute con are sent."""
        if value not in {0, 1}:
            raise OperationRefused(Code.BAD_REQUEST, "a notification mode is 0 or 1")
        self.notifies_confirmably = bool(value)


def _period(value: ResourceValue) -> int:
    if not isinstance(value, int) or value < 0:
        raise OperationRefused(Code.BAD_REQUEST, "a period is a number of seconds")
    return value
