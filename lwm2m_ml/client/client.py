"""The two clients of the operator's API: `Client` blocks, `AsyncClient` awaits; both have the methods of `Api`."""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.client.api import Api
from lwm2m_ml.client.call import Call
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.events import EventReader
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.transport import answer_of, base_url, headers, next_page, options

Answer = TypeVar("Answer")
Item = TypeVar("Item")

STREAM_TIMEOUT = httpx.Timeout(30.0, read=60.0)
"""The server sends something, if only a comment, more often than a stream may be silent."""


class Client(Api):
    """A blocking client. Every method raises ApiError or ServerUnreachableError."""

    def __init__(self, server: str = DEFAULT_SERVER, token: str = "", *, ca_file: str = "") -> None:
        """`ca_file`: PEM of the authorities that an https server is trusted by; those of the system if not given."""
        self._server = server
        self.has_token = bool(token)
        self._http = httpx.Client(base_url=base_url(server), headers=headers(token), **options(ca_file))

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
                call.method,
                call.path,
                json=call.json,
                content=call.content,
                params=call.query,
                headers=call.headers,
                timeout=call.timeout,
            )
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error
        return answer_of(call, response)

    def send_all(self, call: Call[Page[Item]]) -> list[Item]:
        """Get every page of a list."""
        return [item for page in self.pages(call) for item in page]

    def pages(self, call: Call[Page[Item]]) -> Iterator[list[Item]]:
        """Get one page of a list after the other, as they are asked for."""
        following: Call[Page[Item]] | None = call
        while following is not None:
            page = self.send(following)
            yield page.items
            following = next_page(call, page)

    def stream(self, call: Call[Answer]) -> Iterator[Answer]:
        """Yield the events of a stream until the server ends it."""
        try:
            with self._http.stream(call.method, call.path, params=call.query, timeout=STREAM_TIMEOUT) as response:
                if not response.is_success:
                    response.read()
                    answer_of(call, response)
                events = EventReader(call)
                for line in response.iter_lines():
                    event = events.feed(line)
                    if event is not None:
                        yield event
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error


class AsyncClient(Api):
    """The same for asyncio. Every method raises ApiError or ServerUnreachableError."""

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        token: str = "",
        *,
        ca_file: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`ca_file`: PEM of the authorities that an https server is trusted by; those of the system if not given.

        `transport` is another way to the server than the network, such as `httpx.ASGITransport` for one in this
        process.
        """
        self._server = server
        self.has_token = bool(token)
        self._http = httpx.AsyncClient(
            base_url=base_url(server), headers=headers(token), transport=transport, **options(ca_file)
        )

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
                call.method,
                call.path,
                json=call.json,
                content=call.content,
                params=call.query,
                headers=call.headers,
                timeout=call.timeout,
            )
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error
        return answer_of(call, response)

    async def send_all(self, call: Call[Page[Item]]) -> list[Item]:
        """Get every page of a list."""
        return [item async for page in self.pages(call) for item in page]

    async def pages(self, call: Call[Page[Item]]) -> AsyncIterator[list[Item]]:
        """Get one page of a list after the other, as they are asked for."""
        following: Call[Page[Item]] | None = call
        while following is not None:
            page = await self.send(following)
            yield page.items
            following = next_page(call, page)

    async def stream(self, call: Call[Answer]) -> AsyncIterator[Answer]:
        """Yield the events of a stream until the server ends it."""
        try:
            async with self._http.stream(call.method, call.path, params=call.query, timeout=STREAM_TIMEOUT) as response:
                if not response.is_success:
                    await response.aread()
                    answer_of(call, response)
                events = EventReader(call)
                async for line in response.aiter_lines():
                    event = events.feed(line)
                    if event is not None:
                        yield event
        except httpx.TransportError as error:
            raise ServerUnreachableError(self._server, str(error) or type(error).__name__) from error
