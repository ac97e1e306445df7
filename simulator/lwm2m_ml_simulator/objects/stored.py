"""Object instances that are nothing but values: what is written into them is what is read from them."""

from collections.abc import Mapping

from lwm2m_ml_simulator.objects.base import ObjectInstance, ResourceValue


class StoredInstance(ObjectInstance):
    """An instance that keeps what it is given. `writable_ids` are the resources that servers may write."""

    writable_ids: frozenset[int] = frozenset()
    readable_by_servers = True

    def __init__(self, instance_id: int = 0, values: Mapping[int, ResourceValue] | None = None) -> None:
        super().__init__(instance_id)
        self.values: dict[int, ResourceValue] = dict(values or {})

    def resources(self) -> tuple[int, ...]:
        """Return the resources that have a value."""
        return tuple(sorted(self.values))

    def known(self) -> tuple[int, ...]:
        """Return the resources that have a value."""
        return self.resources()

    def supports(self, operation: str, resource_id: int) -> bool:
        """Tell whether servers may do that."""
        if operation == "read":
            return self.readable_by_servers and resource_id in self.values
        return operation == "write" and resource_id in self.writable_ids

    def read(self, resource_id: int) -> ResourceValue | None:
        """Return a value."""
        return self.values.get(resource_id)

    async def write(self, resource_id: int, value: ResourceValue) -> None:
        """Keep a value."""
        self.values[resource_id] = value

    async def provision(self, resource_id: int, value: ResourceValue) -> None:
        """Keep a value."""
        self.values[resource_id] = value
