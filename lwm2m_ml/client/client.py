"""The two clients of the operator's API: `Client` blocks, `AsyncClient` awaits; both speak the same calls."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx

from lwm2m_ml.client import calls, schemas
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.client.calls import Call
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.transport import answer_of, base_url, headers

Answer = TypeVar("Answer")


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

    def read(self, endpoint: str, path: str) -> list[schemas.ResourceValue]:
        """LwM2M Read."""
        return self.send(calls.read(endpoint, path))

    def write(self, endpoint: str, path: str, value: str | int | float | bool) -> None:
        """LwM2M Write of one resource."""
        self.send(calls.write(endpoint, path, value))

    def execute(self, endpoint: str, path: str, arguments: str = "") -> None:
        """LwM2M Execute."""
        self.send(calls.execute(endpoint, path, arguments))

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
    """The same for asyncio. Every method raises ApiError or ServerUnreachableError."""

    def __init__(self, server: str = DEFAULT_SERVER, token: str = "") -> None:
        self._server = server
        self._http = httpx.AsyncClient(base_url=base_url(server), headers=headers(token))

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

    async def read(self, endpoint: str, path: str) -> list[schemas.ResourceValue]:
        """LwM2M Read."""
        return await self.send(calls.read(endpoint, path))

    async def write(self, endpoint: str, path: str, value: str | int | float | bool) -> None:
        """LwM2M Write of one resource."""
        await self.send(calls.write(endpoint, path, value))

    async def execute(self, endpoint: str, path: str, arguments: str = "") -> None:
        """LwM2M Execute."""
        await self.send(calls.execute(endpoint, path, arguments))

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
