"""Gives every request an id, for its log lines and its answer, and tells the metrics how it went."""

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_ml.api.metrics import ApiMetrics
from lwm2m_ml.api.middleware.base import Middleware

REQUEST_ID = "X-Request-ID"
ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNROUTED = "unknown"
"""What stands for paths that no route has: metrics must not grow with what strangers ask for."""

log = structlog.get_logger(__name__)


class RequestContext(Middleware):
    """Takes the request id of a caller or a proxy, or makes one."""

    def __init__(self, inner: ASGIApp, metrics: ApiMetrics) -> None:
        super().__init__(inner)
        self._metrics = metrics

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request under its id."""
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if ACCEPTABLE_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500
        started = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self.inner(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - started
                route = route_of(scope)
                self._metrics.answered(scope["method"], route, status, seconds)
                log.debug("request", method=scope["method"], path=scope["path"], status=status, seconds=seconds)


def route_of(scope: Scope) -> str:
    """The template of the route that a request went to, such as `/devices/{endpoint}`."""
    return getattr(scope.get("route"), "path_format", UNROUTED)
