"""A way from the client to the API in the same process; for streams too, whose end `httpx.ASGITransport` awaits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

QUEUED_PARTS = 16


class InProcess(httpx.AsyncBaseTransport):
    """Hands each request to an ASGI application, as coming from the browser's address."""

    def __init__(self, app: ASGIApp, address: tuple[str, int]) -> None:
        self._app = app
        self._address = address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Begin a request; returns when its answer has begun."""
        exchange = _Exchange(await request.aread())
        exchange.task = asyncio.create_task(exchange.run(self._app, _scope(request, self._address)))
        started = await exchange.next()
        if started is None:
            raise httpx.ReadError("The API gave no answer")
        return httpx.Response(started["status"], headers=started["headers"], stream=_Body(exchange))


class _Exchange:
    """One request and its answer, which come about in a task of their own."""

    def __init__(self, body: bytes) -> None:
        self.task: asyncio.Task[None] | None = None
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._parts: asyncio.Queue[Message | None] = asyncio.Queue(QUEUED_PARTS)

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._parts.put)
        finally:
            await self._parts.put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def next(self) -> Message | None:
        """The next message of the answer; None at its end."""
        return await self._parts.get()

    async def close(self) -> None:
        """End the request, whether or not its answer is complete."""
        self._gone.set()
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._exchange.next()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body", False):
                return

    async def aclose(self) -> None:
        await self._exchange.close()


def _scope(request: httpx.Request, address: tuple[str, int]) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port),
        "client": address,
        "root_path": "",
    }
