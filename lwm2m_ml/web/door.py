"""The door between the API and the dashboard: the outermost layer of ASGI, which loads the dashboard when needed.

Nothing of NiceGUI is imported before the first visitor comes, so that a server without visitors starts and stays as
small as it was.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lwm2m_ml.web.address import ROOT

Close = Callable[[], Awaitable[None]]


class Door:
    """Lets requests of the dashboard's addresses in there, and all others pass to the API."""

    def __init__(self, inner: ASGIApp, rooms: "Rooms") -> None:
        self._inner = inner
        self._rooms = rooms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection."""
        path = scope.get("path", "")
        if path == "/" and scope["type"] == "http":
            await RedirectResponse(f"{ROOT}/", HTTPStatus.SEE_OTHER)(scope, receive, send)
        elif path == ROOT or path.startswith(f"{ROOT}/"):
            await (await self._rooms.dashboard())(scope, receive, send)
        else:
            await self._inner(scope, receive, send)


class Rooms:
    """The dashboard of one API, opened at the first visit and closed with the service."""

    def __init__(self, api: Any, *, secure: bool) -> None:
        """`api` is the FastAPI application; `secure`: browsers reach it over TLS."""
        self._api = api
        self._secure = secure
        self._opening = asyncio.Lock()
        self._opened: tuple[ASGIApp, Close] | None = None

    async def dashboard(self) -> ASGIApp:
        """Return the dashboard, opened when it is not yet."""
        async with self._opening:
            if self._opened is None:
                # In a thread: importing takes most of a second, and devices are not to wait for it.
                module = await asyncio.to_thread(importlib.import_module, "lwm2m_ml.web.dashboard")
                self._opened = await module.open_dashboard(self._api, secure=self._secure)
            return self._opened[0]

    async def close(self) -> None:
        """Say good-bye to everybody who looks at a page."""
        if self._opened is not None:
            await self._opened[1]()
            self._opened = None
