"""What every object instance is made of: methods that read, write or execute one resource each.

A subclass of `ObjectInstance` marks its methods with `readable(5700)`, `writable(...)`, `executable(...)`. A reader
returns None when the resource is not there at the moment, and a mapping from instance id to value when the resource is
a multiple one. Writers and executors may be coroutines.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeVar

from aiocoap import Code

from lwm2m_ml.lwm2m.value import Value

ResourceValue = Value | Mapping[int, Value]
Arguments = Mapping[int, str | None]
Method = TypeVar("Method", bound=Callable[..., Any])

_MARK = "_lwm2m_operations"


class OperationRefused(Exception):
    """A request is answered with this CoAP code, and the reason as diagnostic payload."""

    def __init__(self, code: Code, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def readable(resource_id: int) -> Callable[[Method], Method]:
    """Mark a method `(self) -> value` as the reader of a resource."""
    return _marked("read", resource_id)


def writable(resource_id: int) -> Callable[[Method], Method]:
    """Mark a method `(self, value)` as the writer of a resource."""
    return _marked("write", resource_id)


def executable(resource_id: int) -> Callable[[Method], Method]:
    """Mark a method `(self, arguments: Arguments)` as what an Execute of a resource does."""
    return _marked("execute", resource_id)


class ObjectInstance:
    """One instance of an LwM2M object; a subclass says which object and has a method per resource and operation."""

    object_id: ClassVar[int]
    version: ClassVar[str | None] = None
    _operations: ClassVar[dict[str, dict[int, str]]] = {"read": {}, "write": {}, "execute": {}}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._operations = {operation: dict(table) for operation, table in cls._operations.items()}
        for name, member in vars(cls).items():
            for operation, resource_id in getattr(member, _MARK, ()):
                cls._operations[operation][resource_id] = name

    def __init__(self, instance_id: int = 0) -> None:
        self.instance_id = instance_id

    def resources(self) -> tuple[int, ...]:
        """Return the ids of the resources that exist now, whatever can be done with them."""
        ids = set(self._operations["write"]) | set(self._operations["execute"])
        return tuple(sorted(ids | {number for number in self._operations["read"] if self.read(number) is not None}))

    def known(self) -> tuple[int, ...]:
        """Return the ids of the resources that have a value now."""
        return tuple(sorted(number for number in self._operations["read"] if self.read(number) is not None))

    def supports(self, operation: str, resource_id: int) -> bool:
        """Tell whether `operation` ("read", "write" or "execute") exists for the resource."""
        return resource_id in self._operations[operation]

    def read(self, resource_id: int) -> ResourceValue | None:
        """Return the value of a readable resource, None if it is not there."""
        value: ResourceValue | None = getattr(self, self._operations["read"][resource_id])()
        return value

    async def write(self, resource_id: int, value: ResourceValue) -> None:
        """Write a writable resource."""
        await _finish(getattr(self, self._operations["write"][resource_id])(value))

    async def provision(self, resource_id: int, value: ResourceValue) -> None:
        """Take a value from the bootstrap server, which may write what servers may not."""
        if self.supports("write", resource_id):
            await self.write(resource_id, value)

    async def execute(self, resource_id: int, arguments: Arguments) -> None:
        """Execute an executable resource."""
        await _finish(getattr(self, self._operations["execute"][resource_id])(arguments))


async def _finish(outcome: Awaitable[None] | None) -> None:
    if outcome is not None:
        await outcome


def _marked(operation: str, resource_id: int) -> Callable[[Method], Method]:
    def mark(method: Method) -> Method:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), (operation, resource_id)))
        return method

    return mark
