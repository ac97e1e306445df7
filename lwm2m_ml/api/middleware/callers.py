"""Finds out who calls, and holds everybody to their rate. Routes decide what a caller may do."""

import time
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lwm2m_ml.api.middleware.base import Middleware
from lwm2m_ml.api.problems import problem, problem_of
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.server.rates import Rates
from lwm2m_ml.service.access import AccessTokens, Caller

SCHEME = "bearer"
LONGEST_TOKEN = 16_384
FOR_DEVICES = "/packages/"
FOR_ANYONE = frozenset({f"{API_ROOT}/health", f"{API_ROOT}/ready"})
STRANGERS_SHARE = 0.1
"""How much less often than a caller an address may ask that shows no good token."""


class Callers(Middleware):
    """Puts the `Caller` of a bearer token, or None, into the request's state."""

    def __init__(self, inner: ASGIApp, tokens: AccessTokens, per_second: float) -> None:
        """`per_second` is how many requests a caller may make; 0 sets no limit."""
        super().__init__(inner)
        self._tokens = tokens
        self._callers = Rates(per_second)
        self._strangers = Rates(per_second * STRANGERS_SHARE)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request of somebody pass who keeps to their rate; devices that download are not held to any."""
        if scope["path"].startswith(FOR_DEVICES):
            scope["state"]["caller"] = None
            await self.inner(scope, receive, send)
            return
        try:
            caller = await self._caller_of(scope)
        except Lwm2mMlError as error:
            if scope["path"] not in FOR_ANYONE:
                await problem_of(error)(scope, receive, send)
                return
            caller = None  # it is asked whether the database works, which would know the caller
        if not self._within_rate(caller, address_of(scope)):
            hint = "Wait a second; an administrator may set another api_rate"
            refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", hint)
            refusal.headers["Retry-After"] = "1"
            await refusal(scope, receive, send)
            return
        scope["state"]["caller"] = caller
        await self.inner(scope, receive, send)

    async def _caller_of(self, scope: Scope) -> Caller | None:
        scheme, _, token = Headers(scope=scope).get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != SCHEME or not 0 < len(token) <= LONGEST_TOKEN:
            return None
        return await self._tokens.caller_of(token)

    def _within_rate(self, caller: Caller | None, address: str) -> bool:
        now = time.monotonic()
        return self._strangers.take(address, now) if caller is None else self._callers.take(caller.name, now)


def address_of(scope: Scope) -> str:
    """The address a request came from."""
    client = scope.get("client")
    return client[0] if client else ""
