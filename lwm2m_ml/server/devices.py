"""Operations on registered devices (OMA-TS-LightweightM2M_Core-V1_2 §6.3)."""

import dataclasses
from collections.abc import Sequence

import aiocoap
from aiocoap.numbers.codes import Code

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.attributes import AttributeChange, check_placement, format_attributes
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.composite import read_request, write_request
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.gateway import OBJECT_ID, EndDevice, GatewayError, end_devices
from lwm2m_ml.lwm2m.link_format import Link, LinkFormatError, parse_links
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.answers import decode_answer
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.errors import UnusableAnswer
from lwm2m_ml.server.exchange import Exchange, Outgoing
from lwm2m_ml.server.formats import Formats, answer_format, without_names
from lwm2m_ml.server.observations import Observations
from lwm2m_ml.server.observed import Observed, OnRecords, Target
from lwm2m_ml.server.registration import Registration

BARE_FORMATS = (ContentFormat.TLV,)
"""Formats in which the values of a new instance can come without its number (§6.3.6)."""


class DeviceOperations:
    """Everything that can be asked of a device.

    Operations on one device are done one after the other, in the order they were asked for. All of them raise
    `UnknownDevice` when the endpoint is not registered, `DeviceError` when it answers with an error code,
    `DeviceTimeout` when it does not answer `within` so many seconds (then nobody knows whether it acted),
    `UnusableAnswer` when its answer cannot be read, and `DeviceBusy` when too many operations wait for it already.
    """

    def __init__(
        self,
        exchange: Exchange,
        formats: Formats,
        catalogues: Catalogues,
        observations: Observations,
        *,
        prefix: str = "",
    ) -> None:
        self._exchange = exchange
        self._formats = formats
        self._catalogues = catalogues
        self._observations = observations
        self._prefix = prefix

    def behind(self, prefix: str) -> "DeviceOperations":
        """The same operations on a device behind a gateway; `endpoint` is the gateway's name then."""
        return DeviceOperations(self._exchange, self._formats, self._catalogues, self._observations, prefix=prefix)

    async def end_devices(self, endpoint: str) -> tuple[EndDevice, ...]:
        """The devices behind a gateway, as its object 25 tells."""
        version = self._exchange.registration(endpoint).parameters.version
        return end_devices_told(endpoint, await self.read(endpoint, ObjectPath(OBJECT_ID)), version)

    async def read(self, endpoint: str, path: ObjectPath, *, within: float | None = None) -> tuple[Record, ...]:
        """Read an object, an instance, a resource or a resource instance (§6.3.1)."""
        async with self._exchange.turn(endpoint) as registration:

            async def attempt(accept: int | None, limit: float) -> aiocoap.Message:
                return await self._exchange.send(
                    registration, Outgoing("Read", Code.GET, path, accept=accept, prefix=self._prefix), limit
                )

            formats = self._formats.of(registration)
            candidates = self._ordered(formats.to_read(path, self._catalogues.of(registration.parameters)))
            response = await self._exchange.negotiate(
                registration, formats, candidates, attempt, within=within, repeatable=True
            )
            return self._decode(registration, response, path)

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
        """Write a resource, or records at or below an instance or resource (§6.3.3).

        `replace` overwrites what is there; otherwise only what the records name is changed. What is larger than
        `block_bytes` goes in blocks of that size, by default in the largest that both ends take.
        """
        if path.level < 2:
            raise UsageError(f"{path} cannot be written", hint="Name an object instance or a resource, like /1/0/1")
        records = _records(path, value)
        outgoing = Outgoing(
            "Write", Code.PUT if replace else Code.POST, path, prefix=self._prefix, block_bytes=block_bytes
        )
        await self._send_records(outgoing, endpoint, records, within)

    async def create(
        self,
        endpoint: str,
        path: ObjectPath,
        records: Sequence[Record] = (),
        *,
        numbered: bool = True,
        within: float | None = None,
    ) -> ObjectPath:
        """Create an instance of the object at `path`, with these values, and return its path (§6.3.6).

        The records, all of one instance, tell its number; with none, or unless `numbered`, the device chooses one.
        """
        named = {record.path.ancestor(2) for record in records}
        if path.level != 1 or len(named) > 1 or any(one.level < 2 or not path.contains(one) for one in named):
            raise UsageError(
                f"An instance cannot be created at {path}", hint="Name an object, like /9, and one instance"
            )
        outgoing = Outgoing("Create", Code.POST, path, prefix=self._prefix)
        bare = next(iter(named)) if named and not numbered else None
        response = await self._send_records(outgoing, endpoint, records, within, bare=bare)
        created = _location(response)
        if created is not None:
            return created
        if named and numbered:
            return named.pop()
        raise UnusableAnswer(f"{endpoint} did not tell which instance of {path} it created", endpoint=endpoint)

    async def delete(self, endpoint: str, path: ObjectPath, *, within: float | None = None) -> None:
        """Delete an object instance, or (1.2) a resource instance (§6.3.7)."""
        await self._send(endpoint, Outgoing("Delete", Code.DELETE, path, prefix=self._prefix), within)

    async def execute(
        self, endpoint: str, path: ObjectPath, arguments: str = "", *, within: float | None = None
    ) -> None:
        """Execute a resource (§6.3.5). After `DeviceTimeout` nobody knows whether it ran: read its effects first."""
        if path.level != 3:
            raise UsageError(f"{path} cannot be executed", hint="Name a resource, like /3/0/4")
        payload = arguments.encode()
        content_format = ContentFormat.TEXT if payload else None
        outgoing = Outgoing(
            "Execute", Code.POST, path, payload=payload, content_format=content_format, prefix=self._prefix
        )
        await self._send(endpoint, outgoing, within)

    async def write_attributes(
        self, endpoint: str, path: ObjectPath, change: AttributeChange, *, within: float | None = None
    ) -> None:
        """Set or clear notification attributes of a path (§6.3.4).

        Raises `AttributesError` for what does not fit the path or the device's version.
        """
        parameters = self._exchange.registration(endpoint).parameters
        check_placement(change, path, self._catalogues.of(parameters), version=parameters.version)
        query = format_attributes(change)
        await self._send(
            endpoint, Outgoing("Write-Attributes", Code.PUT, path, query=query, prefix=self._prefix), within
        )

    async def discover(
        self, endpoint: str, path: ObjectPath, *, depth: int | None = None, within: float | None = None
    ) -> tuple[Link, ...]:
        """List what is below a path, with attributes (§6.3.2); `depth` needs a device of 1.2."""
        query = () if depth is None else (f"depth={depth}",)
        outgoing = Outgoing("Discover", Code.GET, path, query=query, accept=ContentFormat.LINK, prefix=self._prefix)
        response = await self._send(endpoint, outgoing, within)
        try:
            return parse_links(response.payload)
        except LinkFormatError as error:
            raise UnusableAnswer(f"{endpoint} answered {outgoing} with {error.message}", endpoint=endpoint) from error

    async def read_composite(
        self, endpoint: str, paths: Sequence[ObjectPath], *, within: float | None = None
    ) -> tuple[Record, ...]:
        """Read several paths at once, whatever of them is readable (§6.3.8); needs a device of 1.1."""
        async with self._exchange.turn(endpoint) as registration:

            async def attempt(content_format: int | None, limit: float) -> aiocoap.Message:
                chosen = int(content_format or ContentFormat.SENML_CBOR)
                payload = read_request(paths, chosen, prefix=self._prefix)
                outgoing = Outgoing(
                    "Read-Composite",
                    Code.FETCH,
                    payload=payload,
                    content_format=chosen,
                    accept=answer_format(chosen),
                )
                return await self._exchange.send(registration, outgoing, limit)

            formats = self._formats.of(registration)
            response = await self._exchange.negotiate(
                registration, formats, formats.composite(), attempt, within=within, repeatable=True
            )
            return self._decode(registration, response, ROOT)

    async def write_composite(self, endpoint: str, records: Sequence[Record], *, within: float | None = None) -> None:
        """Write several resources at once, all or nothing (§6.3.9); needs a device of 1.1."""
        async with self._exchange.turn(endpoint) as registration:
            catalogue = self._catalogues.of(registration.parameters)

            async def attempt(content_format: int | None, limit: float) -> aiocoap.Message:
                chosen = int(content_format or ContentFormat.SENML_CBOR)
                payload = write_request(records, chosen, catalogue, prefix=self._prefix)
                outgoing = Outgoing("Write-Composite", Code.iPATCH, payload=payload, content_format=chosen)
                return await self._exchange.send(registration, outgoing, limit)

            formats = self._formats.of(registration)
            await self._exchange.negotiate(
                registration, formats, formats.composite(), attempt, within=within, repeatable=False
            )

    async def observe(
        self,
        endpoint: str,
        path: ObjectPath,
        callback: OnRecords | None = None,
        *,
        lasting: bool = False,
        within: float | None = None,
    ) -> Observed:
        """Observe a path (§6.4.1).

        `callback` gets the present values and then each notification; all of them also go to the bus as `Notified`.
        The callback is forgotten when the device registers anew; a `lasting` observation is then made again by the
        server, with its callbacks, until it is cancelled, and also, for the bus, after a restart of the server.
        """
        return await self._observations.observe(
            endpoint, Target((path,), prefix=self._prefix), callback, lasting=lasting, within=within
        )

    async def observe_composite(
        self,
        endpoint: str,
        paths: Sequence[ObjectPath],
        callback: OnRecords | None = None,
        *,
        lasting: bool = False,
        within: float | None = None,
    ) -> Observed:
        """Observe several paths at once (§6.4.3), otherwise like `observe`; needs a device of 1.1."""
        target = Target(tuple(paths), composite=True, prefix=self._prefix)
        return await self._observations.observe(endpoint, target, callback, lasting=lasting, within=within)

    async def cancel_observation(self, endpoint: str, path: ObjectPath) -> None:
        """End the observation of a path (§6.4.2); nothing happens when there is none."""
        await self._observations.cancel(endpoint, Target((path,), prefix=self._prefix))

    async def cancel_composite_observation(self, endpoint: str, paths: Sequence[ObjectPath]) -> None:
        """End the observation of several paths (§6.4.4); nothing happens when there is none."""
        await self._observations.cancel(endpoint, Target(tuple(paths), composite=True, prefix=self._prefix))

    def observed(self, endpoint: str) -> tuple[Observed, ...]:
        """What is observed of a device, oldest first."""
        return self._observations.of(endpoint)

    def _ordered(self, candidates: Sequence[int | None]) -> Sequence[int | None]:
        return without_names(candidates) if self._prefix else candidates

    async def _send(self, endpoint: str, outgoing: Outgoing, within: float | None) -> aiocoap.Message:
        async with self._exchange.turn(endpoint) as registration:
            return await self._exchange.send(registration, outgoing, within)

    async def _send_records(
        self,
        outgoing: Outgoing,
        endpoint: str,
        records: Sequence[Record],
        within: float | None,
        *,
        bare: ObjectPath | None = None,
    ) -> aiocoap.Message:
        """Send values; those of the instance `bare` without its number, which only TLV can leave out."""
        async with self._exchange.turn(endpoint) as registration:
            catalogue, path = self._catalogues.of(registration.parameters), bare or outgoing.path

            async def attempt(content_format: int | None, limit: float) -> aiocoap.Message:
                chosen = int(content_format or ContentFormat.TEXT)
                payload = encode(records, chosen, path, catalogue)
                filled = dataclasses.replace(outgoing, payload=payload, content_format=chosen)
                return await self._exchange.send(registration, filled, limit)

            formats = self._formats.of(registration)
            candidates = self._ordered(formats.to_write(path, records, catalogue) if bare is None else BARE_FORMATS)
            return await self._exchange.negotiate(
                registration, formats, candidates, attempt, within=within, repeatable=False
            )

    def _decode(self, registration: Registration, response: aiocoap.Message, path: ObjectPath) -> tuple[Record, ...]:
        return decode_answer(registration, response, path, self._catalogues, prefix=self._prefix)


def end_devices_told(endpoint: str, records: Sequence[Record], version: str) -> tuple[EndDevice, ...]:
    """The devices in a gateway's object 25; raises `UnusableAnswer` where it cannot be read."""
    try:
        return end_devices(records, version)
    except GatewayError as error:
        raise UnusableAnswer(f"{endpoint} answered with {error.message}", endpoint=endpoint) from error


def _records(path: ObjectPath, value: Value | Sequence[Record]) -> Sequence[Record]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not value:
            raise UsageError(f"There is nothing to write to {path}")
        return value
    return (Record(path, value),)


def _location(response: aiocoap.Message) -> ObjectPath | None:
    """The path of a new instance, from Location-Path options (which may stand below a root path)."""
    try:
        return ObjectPath.parse("/" + "/".join(response.opt.location_path[-2:])) if response.opt.location_path else None
    except PathError:
        return None
