"""One visit of one page: who is there, and what they asked for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.frame import frame
from lwm2m_ml.web.parts.telling import show_failure
from lwm2m_ml.web.sessions import Session

ORDER = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page is built for."""

    session: Session
    request: Request

    @property
    def client(self) -> AsyncClient:
        """Acts as whoever is logged in."""
        return self.session.client

    def asked(self, name: str) -> str:
        """A part of the address's query; empty where it is missing."""
        return self.request.query_params.get(name, "")

    def may(self, scope: str) -> bool:
        """Whether buttons that need a scope are of use; the API decides in any case."""
        return ORDER.index(self.session.scope) >= ORDER.index(scope)


Build = Callable[[Visit], Awaitable[None]]


def page(path: str, title: str) -> Callable[[Build], Build]:
    """Register what builds a page below the dashboard's root, in the common frame."""

    def register(build: Build) -> Build:
        async def shown(request: Request) -> None:
            visit = Visit(request.state.session, request)
            with frame(visit.session, path):
                try:
                    await build(visit)
                except Lwm2mMlError as error:
                    show_failure(error)

        ui.page(path, title=f"{title} · lwm2m-ml", response_timeout=30.0)(shown)
        return build

    return register


def address(path: str, **query: str | int | None) -> str:
    """The address of a page, as links need it."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{ROOT}{path}" + (f"?{urlencode(given)}" if given else "")
