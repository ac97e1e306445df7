"""Operations on devices wherever they are: those of other nodes are done by the node that acts for the device."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.bus import Bus, NotOwner, Ownership
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.coap.notification import Notification
from lwm2m_ml.lwm2m.attributes import AttributeChange, format_attributes, parse_attributes
from lwm2m_ml.lwm2m.gateway import OBJECT_ID, EndDevice
from lwm2m_ml.lwm2m.link_format import Link, format_links, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.devices import DeviceOperations, end_devices_told
from lwm2m_ml.server.errors import DeviceElsewhere
from lwm2m_ml.server.observed import Observed, OnRecords, Target
from lwm2m_ml.server.senml_documents import from_senml, to_senml
from lwm2m_ml.server.server import Lwm2mServer

PREFIX = "devices."

Performer = Callable[[DeviceOperations, Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ObservedElsewhere:
    """The first values of an observation; what comes later is heard where the device is served, and told on the bus."""

    records: tuple[Record, ...]

    def notified(self, observed: Observed, notification: Notification) -> None:
        """Nothing comes here."""

    def records_of(self, observed: Observed) -> tuple[Record, ...]:
        """What the device said at first."""
        return self.records


class RoutedDevices(DeviceOperations):
    """This server's devices at hand, all others through the bus."""

    def __init__(
        self, local: DeviceOperations, server: Lwm2mServer, ownership: Ownership, bus: Bus, *, prefix: str = ""
    ) -> None:
        self._local = local
        self._server = server
        self._ownership = ownership
        self._bus = bus
        self._prefix = prefix

    def serve(self) -> None:
        """Do what other nodes ask for."""
        for name, perform in PERFORMERS.items():
            self._bus.serve(PREFIX + name, self._server_of(perform))

    def behind(self, prefix: str) -> "RoutedDevices":
        """The same operations on a device behind a gateway."""
        return RoutedDevices(self._local.behind(prefix), self._server, self._ownership, self._bus, prefix=prefix)

    async def end_devices(self, endpoint: str) -> tuple[EndDevice, ...]:
        """The devices behind a gateway, as its object 25 tells."""
        version = self._server.registry.get(endpoint).parameters.version
        return end_devices_told(endpoint, await self.read(endpoint, ObjectPath(OBJECT_ID)), version)

    async def read(self, endpoint: str, path: ObjectPath, *, within: float | None = None) -> tuple[Record, ...]:
        """Read an object, an instance, a resource or a resource instance."""
        if self._is_here(endpoint):
            return await self._local.read(endpoint, path, within=within)
        return from_senml(await self._ask(endpoint, "read", path=str(path), within=within))

    async def write(
        self,
        endpoint: str,
        path: ObjectPath,
        value: Value | Sequence[Record],
        *,
        replace: bool = True,
        within: float | None = None,
        block_bytes: int | None = None,
    ) -> None:
        """Write a resource, or records at or below an instance or resource."""
        if self._is_here(endpoint):
            await self._local.write(endpoint, path, value, replace=replace, within=within, block_bytes=block_bytes)
            return
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        records = to_senml(value if several else (Record(path, value),))  # type: ignore[arg-type]
        what = {"replace": replace, "within": within, "block_bytes": block_bytes, "several": several}
        await self._ask(endpoint, "write", path=str(path), records=records, **what)

    async def create(
        self,
        endpoint: str,
        path: ObjectPath,
        records: Sequence[Record] = (),
        *,
        numbered: bool = True,
        within: float | None = None,
    ) -> ObjectPath:
        """Create an instance of an object."""
        if self._is_here(endpoint):
            return await self._local.create(endpoint, path, records, numbered=numbered, within=within)
        what = {"records": to_senml(records), "numbered": numbered, "within": within}
        return ObjectPath.parse(await self._ask(endpoint, "create", path=str(path), **what))

    async def delete(self, endpoint: str, path: ObjectPath, *, within: float | None = None) -> None:
        """Delete an object instance or a resource instance."""
        if self._is_here(endpoint):
            await self._local.delete(endpoint, path, within=within)
        else:
            await self._ask(endpoint, "delete", path=str(path), within=within)

    async def execute(
        self, endpoint: str, path: ObjectPath, arguments: str = "", *, within: float | None = None
    ) -> None:
        """Execute a resource."""
        if self._is_here(endpoint):
            await self._local.execute(endpoint, path, arguments, within=within)
        else:
            await self._ask(endpoint, "execute", path=str(path), arguments=arguments, within=within)

    async def write_attributes(
        self, endpoint: str, path: ObjectPath, change: AttributeChange, *, within: float | None = None
    ) -> None:
        """Set or clear notification attributes of a path."""
        if self._is_here(endpoint):
            await self._local.write_attributes(endpoint, path, change, within=within)
        else:
            attributes = list(format_attributes(change))
            await self._ask(endpoint, "write-attributes", path=str(path), attributes=attributes, within=within)

    async def discover(
        self, endpoint: str, path: ObjectPath, *, depth: int | None = None, within: float | None = None
    ) -> tuple[Link, ...]:
        """List what is below a path, with attributes."""
        if self._is_here(endpoint):
            return await self._local.discover(endpoint, path, depth=depth, within=within)
        links = await self._ask(endpoint, "discover", path=str(path), depth=depth, within=within)
        return parse_links(links.encode())

    async def read_composite(
        self, endpoint: str, paths: Sequence[ObjectPath], *, within: float | None = None
    ) -> tuple[Record, ...]:
        """Read several paths at once."""
        if self._is_here(endpoint):
            return await self._local.read_composite(endpoint, paths, within=within)
        return from_senml(await self._ask(endpoint, "read-composite", paths=list(map(str, paths)), within=within))

    async def write_composite(self, endpoint: str, records: Sequence[Record], *, within: float | None = None) -> None:
        """Write several resources at once."""
        if self._is_here(endpoint):
            await self._local.write_composite(endpoint, records, within=within)
        else:
            await self._ask(endpoint, "write-composite", records=to_senml(records), within=within)

    async def observe(
        self,
        endpoint: str,
        path: ObjectPath,
        callback: OnRecords | None = None,
        *,
        lasting: bool = False,
        within: float | None = None,
    ) -> Observed:
        """Observe a path; what comes is told on the bus of every node, and a callback only where the device is."""
        if self._is_here(endpoint):
            return await self._local.observe(endpoint, path, callback, lasting=lasting, within=within)
        target = Target((path,), prefix=self._prefix)
        return await self._observe_elsewhere(endpoint, target, callback, lasting=lasting, within=within)

    async def observe_composite(
        self,
        endpoint: str,
        paths: Sequence[ObjectPath],
        callback: OnRecords | None = None,
        *,
        lasting: bool = False,
        within: float | None = None,
    ) -> Observed:
        """Observe several paths at once."""
        if self._is_here(endpoint):
            return await self._local.observe_composite(endpoint, paths, callback, lasting=lasting, within=within)
        target = Target(tuple(paths), composite=True, prefix=self._prefix)
        return await self._observe_elsewhere(endpoint, target, callback, lasting=lasting, within=within)

    async def cancel_observation(self, endpoint: str, path: ObjectPath) -> None:
        """End the observation of a path."""
        if self._is_here(endpoint):
            await self._local.cancel_observation(endpoint, path)
        else:
            await self._ask(endpoint, "cancel-observation", path=str(path))

    async def cancel_composite_observation(self, endpoint: str, paths: Sequence[ObjectPath]) -> None:
        """End the observation of several paths."""
        if self._is_here(endpoint):
            await self._local.cancel_composite_observation(endpoint, paths)
        else:
            await self._ask(endpoint, "cancel-composite-observation", paths=list(map(str, paths)))

    def observed(self, endpoint: str) -> tuple[Observed, ...]:
        """What this node observes of a device."""
        return self._local.observed(endpoint)

    async def _observe_elsewhere(
        self, endpoint: str, target: Target, callback: OnRecords | None, *, lasting: bool, within: float | None
    ) -> Observed:
        if callback is not None:
            raise DeviceElsewhere(f"Another node acts for {endpoint} by now", endpoint=endpoint, hint="Watch it again")
        what = {"paths": list(map(str, target.paths)), "composite": target.composite, "lasting": lasting}
        records = from_senml(await self._ask(endpoint, "observe", within=within, **what))
        return Observed(endpoint, target, ObservedElsewhere(records), lasting)

    def _is_here(self, endpoint: str) -> bool:
        self._server.registry.get(endpoint)  # nobody is asked about a device that nobody knows
        return self._ownership.has(endpoint)

    async def _ask(self, endpoint: str, operation: str, **arguments: Any) -> Any:
        document = {"endpoint": endpoint, "prefix": self._prefix, **arguments}
        try:
            return (await self._bus.ask(endpoint, PREFIX + operation, document))["value"]
        except NotOwner as error:
            self._server.note_orphan(endpoint)
            raise DeviceElsewhere(error.message, endpoint=endpoint, hint=error.hint) from error

    def _server_of(self, perform: Performer) -> Callable[[Document], Awaitable[Document]]:
        async def serve(document: Document) -> Document:
            prefix = document["prefix"]
            devices = self._local.behind(prefix) if prefix else self._local
            return {"value": await perform(devices, document)}

        return serve


async def _read(devices: DeviceOperations, asked: Mapping[str, Any]) -> str:
    return to_senml(await devices.read(asked["endpoint"], ObjectPath.parse(asked["path"]), within=asked["within"]))


async def _write(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    records = from_senml(asked["records"])
    value: Any = records if asked["several"] else records[0].value
    await devices.write(
        asked["endpoint"],
        ObjectPath.parse(asked["path"]),
        value,
        replace=asked["replace"],
        within=asked["within"],
        block_bytes=asked["block_bytes"],
    )


async def _create(devices: DeviceOperations, asked: Mapping[str, Any]) -> str:
    records, path = from_senml(asked["records"]), ObjectPath.parse(asked["path"])
    numbered, within = asked["numbered"], asked["within"]
    return str(await devices.create(asked["endpoint"], path, records, numbered=numbered, within=within))


async def _delete(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    await devices.delete(asked["endpoint"], ObjectPath.parse(asked["path"]), within=asked["within"])


async def _execute(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    path = ObjectPath.parse(asked["path"])
    await devices.execute(asked["endpoint"], path, asked["arguments"], within=asked["within"])


async def _write_attributes(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    change, path = parse_attributes(asked["attributes"]), ObjectPath.parse(asked["path"])
    await devices.write_attributes(asked["endpoint"], path, change, within=asked["within"])


async def _discover(devices: DeviceOperations, asked: Mapping[str, Any]) -> str:
    path = ObjectPath.parse(asked["path"])
    links = await devices.discover(asked["endpoint"], path, depth=asked["depth"], within=asked["within"])
    return format_links(links).decode()


async def _read_composite(devices: DeviceOperations, asked: Mapping[str, Any]) -> str:
    paths = [ObjectPath.parse(path) for path in asked["paths"]]
    return to_senml(await devices.read_composite(asked["endpoint"], paths, within=asked["within"]))


async def _write_composite(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    await devices.write_composite(asked["endpoint"], from_senml(asked["records"]), within=asked["within"])


async def _observe(devices: DeviceOperations, asked: Mapping[str, Any]) -> str:
    endpoint, paths = asked["endpoint"], [ObjectPath.parse(path) for path in asked["paths"]]
    lasting, within = asked["lasting"], asked["within"]
    if asked["composite"]:
        observed = await devices.observe_composite(endpoint, paths, lasting=lasting, within=within)
    else:
        observed = await devices.observe(endpoint, paths[0], lasting=lasting, within=within)
    return to_senml(observed.records)


async def _cancel_observation(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    await devices.cancel_observation(asked["endpoint"], ObjectPath.parse(asked["path"]))


async def _cancel_composite_observation(devices: DeviceOperations, asked: Mapping[str, Any]) -> None:
    paths = [ObjectPath.parse(path) for path in asked["paths"]]
    await devices.cancel_composite_observation(asked["endpoint"], paths)


PERFORMERS: Mapping[str, Performer] = {
    "read": _read,
    "write": _write,
    "create": _create,
    "delete": _delete,
    "execute": _execute,
    "write-attributes": _write_attributes,
    "discover": _discover,
    "read-composite": _read_composite,
    "write-composite": _write_composite,
    "observe": _observe,
    "cancel-observation": _cancel_observation,
    "cancel-composite-observation": _cancel_composite_observation,
}
