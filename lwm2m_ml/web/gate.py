"""Guards the dashboard: only who is logged in gets beyond the login page, and browsers are told what pages may do."""

from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.sessions import Session, Sessions

COOKIE = "lwm2m-ml-session"
OPEN = (f"{ROOT}/login", f"{ROOT}/assets/", f"{ROOT}/favicon.ico")
"""What strangers may see: the page to log in at, and how it looks."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
POLICY = "; ".join(
    (
        "default-src 'self'",
        # Vue compiles templates in the browser, and NiceGUI starts its pages by a script in them.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
}


class Gate:
    """The layer around the dashboard; puts the `Session` into the state of each request that it lets pass."""

    def __init__(self, inner: ASGIApp, sessions: Sessions) -> None:
        self._inner = inner
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection."""
        headers = Headers(scope=scope)
        session = self._session(headers)
        scope.setdefault("state", {})["session"] = session
        told = _with_headers(send)
        if not _comes_from_here(scope, headers):
            await _refuse(scope, receive, told, HTTPStatus.FORBIDDEN, "This came from a page of another site")
        elif session is None and not scope["path"].startswith(OPEN):
            await _to_login(scope, receive, told, headers)
        else:
            await self._inner(scope, receive, told)

    def _session(self, headers: Headers) -> Session | None:
        secret = secret_of(headers)
        return self._sessions.find(secret) if secret else None


def secret_of(headers: Headers) -> str:
    """The secret in the session cookie; empty when there is none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _comes_from_here(scope: Scope, headers: Headers) -> bool:
    """Whether a request that may change something, or a socket, was opened by a page of this server (RFC 6454)."""
    if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
        return True
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def _to_login(scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
    wants_page = (
        scope["type"] == "http" and scope["method"] in SAFE_METHODS and "text/html" in headers.get("accept", "")
    )
    if not wants_page:
        await _refuse(scope, receive, send, HTTPStatus.UNAUTHORIZED, f"Log in at {ROOT}/login")
        return
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    await RedirectResponse(f"{ROOT}/login?next={quote(wanted)}", HTTPStatus.SEE_OTHER)(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: HTTPStatus, text: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await PlainTextResponse(f"{text}\n", status)(scope, receive, send)


def _with_headers(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if headers.get("content-type", "").startswith("text/html"):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return told
