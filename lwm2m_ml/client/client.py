"""The two clients of the operator's API: `Client` blocks, `AsyncClient` awaits; both speak the same calls."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx

from lwm2m_ml.client import calls, schemas
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.client.calls import Call
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.events import EventReader
from lwm2m_ml.client.schemas import Plain
from lwm2m_ml.client.transport import answer_of, base_url, headers

Answer = TypeVar("Answer")

STREAM_TIMEOUT = httpx.Timeout(30.0, read=60.0)
"""The server sends something, if only a comment, more often than a stream may be silent."""


class Client:
    """A blocking client. Every method raises ApiError or ServerUnreachableError."""

    def __init__(self, server: str = DEFAULT_SERVER, token: str = "") -> None:
        self._server = server
        self._http = httpx.Client(base_url=base_url(server), headers=headers(token))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[Answer]) -> Answer:
        """Carry out one call."""
        try:
            response = self._http.request(
                call.method, call.path, json=call.json, params=call.query, timeout=call.timeout
            )
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error
        return answer_of(call, response)

    def health(self) -> schemas.Health:
        """Is the server there?"""
        return self.send(calls.health())

    def trust_anchor(self) -> schemas.TrustAnchor:
        """The public key that devices check modules with."""
        return self.send(calls.trust_anchor())

    def devices(self) -> list[schemas.Device]:
        """All registered devices."""
        return self.send(calls.devices())

    def device(self, endpoint: str) -> schemas.Device:
        """One device."""
        return self.send(calls.device(endpoint))

    def read(self, endpoint: str, path: str, *, behind: str = "") -> list[schemas.ResourceValue]:
        """LwM2M Read."""
        return self.send(calls.read(endpoint, path, behind))

    def write(
        self,
        endpoint: str,
        path: str,
        value: Plain | Mapping[str, Plain],
        *,
        replace: bool = True,
        behind: str = "",
    ) -> None:
        """LwM2M Write of one value, or of values by path; unless `replace`, what is not named stays."""
        self.send(calls.write(endpoint, path, value, replace=replace, behind=behind))

    def execute(self, endpoint: str, path: str, arguments: str = "", *, behind: str = "") -> None:
        """LwM2M Execute."""
        self.send(calls.execute(endpoint, path, arguments, behind))

    def discover(self, endpoint: str, path: str, *, depth: int | None = None, behind: str = "") -> list[schemas.Link]:
        """LwM2M Discover; `depth` needs a device that speaks 1.2."""
        return self.send(calls.discover(endpoint, path, depth, behind))

    def create(
        self,
        endpoint: str,
        path: str,
        values: Mapping[str, Plain] | None = None,
        *,
        instance: int | None = None,
        behind: str = "",
    ) -> str:
        """LwM2M Create of an object instance, with values by resource (`1`, `10/0`); returns its path."""
        return self.send(calls.create(endpoint, path, values or {}, instance, behind)).path

    def delete(self, endpoint: str, path: str, *, behind: str = "") -> None:
        """LwM2M Delete."""
        self.send(calls.delete(endpoint, path, behind))

    def write_attributes(
        self,
        endpoint: str,
        path: str,
        attributes: Mapping[str, float | bool] | None = None,
        *,
        clear: Sequence[str] = (),
        behind: str = "",
    ) -> None:
        """LwM2M Write-Attributes, such as `{"pmin": 10}`."""
        self.send(calls.write_attributes(endpoint, path, attributes or {}, clear, behind))

    def read_composite(self, endpoint: str, paths: Sequence[str]) -> list[schemas.ResourceValue]:
        """LwM2M Read-Composite."""
        return self.send(calls.read_composite(endpoint, paths))

    def write_composite(self, endpoint: str, values: Mapping[str, Plain]) -> None:
        """LwM2M Write-Composite."""
        self.send(calls.write_composite(endpoint, values))

    def observe(self, endpoint: str, *paths: str, behind: str = "") -> Iterator[list[schemas.ResourceValue]]:
        """LwM2M Observe of a path, or of several at once: the present values, then news until the device leaves."""
        call = calls.observe(endpoint, paths, behind)
        try:
            with self._http.stream(call.method, call.path, params=call.query, timeout=STREAM_TIMEOUT) as response:
                if not response.is_success:
                    response.read()
                    answer_of(call, response)
                events = EventReader(call)
                for line in response.iter_lines():
                    values = events.feed(line)
                    if values is not None:
                        yield values
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error

    def queue(
        self,
        endpoint: str,
        operation: str,
        *,
        paths: Sequence[str] = (),
        values: Mapping[str, Plain] | None = None,
        replace: bool = True,
        arguments: str = "",
        attributes: Sequence[str] = (),
        expires_in: float | None = None,
    ) -> schemas.DeviceRequest:
        """Have an operation (`read`, `write`, `execute`, …) done as soon as the device is awake."""
        call = calls.queue(
            endpoint,
            operation,
            paths=paths,
            values=values,
            replace=replace,
            arguments=arguments,
            attributes=attributes,
            expires_in=expires_in,
        )
        return self.send(call)

    def requests(self, endpoint: str) -> list[schemas.DeviceRequest]:
        """The queued operations of a device, oldest first."""
        return self.send(calls.requests(endpoint))

    def request(self, number: int) -> schemas.DeviceRequest:
        """One queued operation with its state and outcome."""
        return self.send(calls.request(number))

    def cancel_request(self, number: int) -> None:
        """Take a waiting operation back."""
        self.send(calls.cancel_request(number))

    def models(self) -> list[schemas.Model]:
        """The zoo."""
        return self.send(calls.models())

    def reference(self, model: str, variant: str, inputs: Sequence[Sequence[float]]) -> schemas.ReferenceAnswers:
        """What the integer reference of a variant answers to inputs."""
        return self.send(calls.reference(model, variant, inputs))

    def deploy(self, model: str, endpoints: Sequence[str] | str = "all") -> schemas.Deployment:
        """Start a deployment."""
        return self.send(calls.deploy(model, endpoints))

    def deployment(self, deployment_id: str) -> schemas.Deployment:
        """One deployment as it stands."""
        return self.send(calls.deployment(deployment_id))

    def results(self, endpoint: str, since: int = 0) -> list[schemas.Result]:
        """Inference results of a device with numbers above `since`, oldest first."""
        return self.send(calls.results(endpoint, since))

    def module(self, digest: str) -> schemas.Module:
        """A built module and its measured facts."""
        return self.send(calls.module(digest))


class AsyncClient:
    """The same for asyncio. Every method raises ApiError or ServerUnreachableError.

    `transport` is another way to the server than the network, such as `httpx.ASGITransport` for one in this process.
    """

    def __init__(
        self, server: str = DEFAULT_SERVER, token: str = "", *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._server = server
        self._http = httpx.AsyncClient(base_url=base_url(server), headers=headers(token), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[Answer]) -> Answer:
        """Carry out one call."""
        try:
            response = await self._http.request(
                call.method, call.path, json=call.json, params=call.query, timeout=call.timeout
            )
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error
        return answer_of(call, response)

    async def health(self) -> schemas.Health:
        """Is the server there?"""
        return await self.send(calls.health())

    async def trust_anchor(self) -> schemas.TrustAnchor:
        """The public key that devices check modules with."""
        return await self.send(calls.trust_anchor())

    async def devices(self) -> list[schemas.Device]:
        """All registered devices."""
        return await self.send(calls.devices())

    async def device(self, endpoint: str) -> schemas.Device:
        """One device."""
        return await self.send(calls.device(endpoint))

    async def read(self, endpoint: str, path: str, *, behind: str = "") -> list[schemas.ResourceValue]:
        """LwM2M Read."""
        return await self.send(calls.read(endpoint, path, behind))

    async def write(
        self,
        endpoint: str,
        path: str,
        value: Plain | Mapping[str, Plain],
        *,
        replace: bool = True,
        behind: str = "",
    ) -> None:
        """LwM2M Write of one value, or of values by path; unless `replace`, what is not named stays."""
        await self.send(calls.write(endpoint, path, value, replace=replace, behind=behind))

    async def execute(self, endpoint: str, path: str, arguments: str = "", *, behind: str = "") -> None:
        """LwM2M Execute."""
        await self.send(calls.execute(endpoint, path, arguments, behind))

    async def discover(
        self, endpoint: str, path: str, *, depth: int | None = None, behind: str = ""
    ) -> list[schemas.Link]:
        """LwM2M Discover; `depth` needs a device that speaks 1.2."""
        return await self.send(calls.discover(endpoint, path, depth, behind))

    async def create(
        self,
        endpoint: str,
        path: str,
        values: Mapping[str, Plain] | None = None,
        *,
        instance: int | None = None,
        behind: str = "",
    ) -> str:
        """LwM2M Create of an object instance, with values by resource (`1`, `10/0`); returns its path."""
        return (await self.send(calls.create(endpoint, path, values or {}, instance, behind))).path

    async def delete(self, endpoint: str, path: str, *, behind: str = "") -> None:
        """LwM2M Delete."""
        await self.send(calls.delete(endpoint, path, behind))

    async def write_attributes(
        self,
        endpoint: str,
        path: str,
        attributes: Mapping[str, float | bool] | None = None,
        *,
        clear: Sequence[str] = (),
        behind: str = "",
    ) -> None:
        """LwM2M Write-Attributes, such as `{"pmin": 10}`."""
        await self.send(calls.write_attributes(endpoint, path, attributes or {}, clear, behind))

    async def read_composite(self, endpoint: str, paths: Sequence[str]) -> list[schemas.ResourceValue]:
        """LwM2M Read-Composite."""
        return await self.send(calls.read_composite(endpoint, paths))

    async def write_composite(self, endpoint: str, values: Mapping[str, Plain]) -> None:
        """LwM2M Write-Composite."""
        await self.send(calls.write_composite(endpoint, values))

    async def observe(self, endpoint: str, *paths: str, behind: str = "") -> AsyncIterator[list[schemas.ResourceValue]]:
        """LwM2M Observe of a path, or of several at once: the present values, then news until the device leaves."""
        call = calls.observe(endpoint, paths, behind)
        try:
            async with self._http.stream(call.method, call.path, params=call.query, timeout=STREAM_TIMEOUT) as response:
                if not response.is_success:
                    await response.aread()
                    answer_of(call, response)
                events = EventReader(call)
                async for line in response.aiter_lines():
                    values = events.feed(line)
                    if values is not None:
                        yield values
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error

    async def queue(
        self,
        endpoint: str,
        operation: str,
        *,
        paths: Sequence[str] = (),
        values: Mapping[str, Plain] | None = None,
        replace: bool = True,
        arguments: str = "",
        attributes: Sequence[str] = (),
        expires_in: float | None = None,
    ) -> schemas.DeviceRequest:
        """Have an operation (`read`, `write`, `execute`, …) done as soon as the device is awake."""
        call = calls.queue(
            endpoint,
            operation,
            paths=paths,
            values=values,
            replace=replace,
            arguments=arguments,
            attributes=attributes,
            expires_in=expires_in,
        )
        return await self.send(call)

    async def requests(self, endpoint: str) -> list[schemas.DeviceRequest]:
        """The queued operations of a device, oldest first."""
        return await self.send(calls.requests(endpoint))

    async def request(self, number: int) -> schemas.DeviceRequest:
        """One queued operation with its state and outcome."""
        return await self.send(calls.request(number))

    async def cancel_request(self, number: int) -> None:
        """Take a waiting operation back."""
        await self.send(calls.cancel_request(number))

    async def models(self) -> list[schemas.Model]:
        """The zoo."""
        return await self.send(calls.models())

    async def reference(self, model: str, variant: str, inputs: Sequence[Sequence[float]]) -> schemas.ReferenceAnswers:
        """What the integer reference of a variant answers to inputs."""
        return await self.send(calls.reference(model, variant, inputs))

    async def deploy(self, model: str, endpoints: Sequence[str] | str = "all") -> schemas.Deployment:
        """Start a deployment."""
        return await self.send(calls.deploy(model, endpoints))

    async def deployment(self, deployment_id: str) -> schemas.Deployment:
        """One deployment as it stands."""
        return await self.send(calls.deployment(deployment_id))

    async def results(self, endpoint: str, since: int = 0) -> list[schemas.Result]:
        """Inference results of a device with numbers above `since`, oldest first."""
        return await self.send(calls.results(endpoint, since))

    async def module(self, digest: str) -> schemas.Module:
        """A built module and its measured facts."""
        return await self.send(calls.module(digest))
