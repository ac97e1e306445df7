"""Writes into the audit log, before the answer is given, what a caller changed, or did to a device."""

from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_ml.api.middleware.base import Middleware
from lwm2m_ml.api.middleware.callers import address_of
from lwm2m_ml.api.middleware.requests import route_of
from lwm2m_ml.api.parameters import with_slashes
from lwm2m_ml.api.problems import problem
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.access import Caller
from lwm2m_ml.service.audit import AuditLog

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ON_DEVICES = "/devices/{endpoint}/lwm2m"
"""Routes that reach a device; reading from one is an act, too."""

log = structlog.get_logger(__name__)


class Audit(Middleware):
    """One entry per act of a known caller, whether it was allowed or refused."""

    def __init__(self, inner: ASGIApp, audit: AuditLog) -> None:
        super().__init__(inner)
        self._audit = audit

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, and write it down if it is an act."""
        caller = scope["state"]["caller"]
        if caller is None:
            await self.inner(scope, receive, send)
            return
        failed = False

        async def answer(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and _is_act(scope):
                failed = not await self._note(scope, caller, message["status"])
                if failed:
                    detail = "The audit log cannot be written; what was asked for may have been done"
                    await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)(scope, receive, send)
            if not failed:
                await send(message)

        await self.inner(scope, receive, answer)

    async def _note(self, scope: Scope, caller: Caller, status: int) -> bool:
        endpoint = scope.get("path_params", {}).get("endpoint")
        try:
            await self._audit.note(
                caller,
                address=address_of(scope),
                action=f"{scope['method']} {route_of(scope)}",
                endpoint=None if endpoint is None else with_slashes(endpoint),
                target=scope["state"].get("audit_target", scope["path"]),
                status=status,
                request=scope["state"]["request_id"],
            )
        except Lwm2mMlError as error:
            log.error("the audit log cannot be written", reason=str(error))
            return False
        return True


def _is_act(scope: Scope) -> bool:
    return scope["method"] not in SAFE_METHODS or route_of(scope).startswith(ON_DEVICES)
