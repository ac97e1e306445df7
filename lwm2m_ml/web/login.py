"""Logging in and out: a form that takes an API token, without any script."""

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.gate import COOKIE, secret_of
from lwm2m_ml.web.sessions import LONGEST_SECONDS, Session, Sessions
from lwm2m_ml.web.transport import InProcess

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LONGEST_TOKEN = 16_384
UNKNOWN = "127.0.0.1", 0
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in · lwm2m-ml</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{root}/assets/icon.svg">
<link rel="stylesheet" href="{root}/assets/theme.css"><script src="{root}/assets/login.js"></script></head>
<body class="login"><main><h1>lwm2m-ml</h1>
<p>Log in with an API token. The server printed the first one when it was started for the first time.</p>{note}
<form method="post" action="{root}/login"><input type="hidden" name="next" value="{next}">
<label for="token">API token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus maxlength="{longest}">
<button type="submit">Log in</button></form></main></body></html>
"""


class Login:
    """The routes of logging in and out."""

    def __init__(self, api: "ASGIApp", sessions: Sessions, *, secure: bool) -> None:
        self._api = api
        self._sessions = sessions
        self._secure = secure

    @property
    def routes(self) -> list[Route]:
        """What is served below the dashboard's root."""
        return [
            Route(f"{ROOT}/login", self.show, methods=["GET"]),
            Route(f"{ROOT}/login", self.log_in, methods=["POST"]),
            Route(f"{ROOT}/logout", self.log_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return _page(request.query_params.get("next", ""))

    async def log_in(self, request: Request) -> Response:
        """Begin a session for who shows a good token; the API itself says whether it is one, and limits guesses."""
        async with request.form(max_files=0, max_fields=8) as form:
            token, wanted = str(form.get("token", "")).strip(), str(form.get("next", ""))
        if not 0 < len(token) <= LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            return _page(wanted, "That is no API token. Copy it as the server printed it.")
        address = (request.client.host, request.client.port) if request.client else UNKNOWN
        client = AsyncClient("http://dashboard", token, transport=InProcess(self._api, address))
        try:
            caller = await client.caller()
        except Lwm2mMlError as error:
            await client.close()
            return _page(wanted, str(error))
        await self._sessions.end(secret_of(request.headers))
        secret = await self._sessions.begin(Session(caller.name, caller.scope, client))
        answer = RedirectResponse(_inside(wanted), HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=int(LONGEST_SECONDS),
            path=ROOT,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        await self._sessions.end(secret_of(request.headers))
        answer = RedirectResponse(f"{ROOT}/login", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, path=ROOT, secure=self._secure, httponly=True, samesite="strict")
        return answer


def _page(wanted: str, error: str = "") -> HTMLResponse:
    note = f'<div class="note bad" role="alert">{escape(error)}</div>' if error else ""
    status = HTTPStatus.UNAUTHORIZED if error else HTTPStatus.OK
    filled = PAGE.format(root=ROOT, note=note, next=escape(_inside(wanted)), longest=LONGEST_TOKEN)
    return HTMLResponse(filled, status)


def _inside(wanted: str) -> str:
    """Where to go after logging in: never to another site."""
    return wanted if wanted.startswith(f"{ROOT}/") and "\\" not in wanted else f"{ROOT}/"
