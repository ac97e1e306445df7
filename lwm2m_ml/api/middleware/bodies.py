"""Limits what a request may send, before anything of it is kept."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_ml.api.middleware.base import Middleware
from lwm2m_ml.api.problems import problem

JSON_LIMIT = 16 << 20
"""Bytes of a JSON body: ten thousand credentials with their certificates."""

HANG_UP = {"Connection": "close"}
"""Whoever is still sending must not keep the connection busy."""


class BodyLimits(Middleware):
    """Refuses a body that says it is too large at once, and one that turns out to be when it does."""

    def __init__(self, inner: ASGIApp, upload_limit: int, upload_paths: Sequence[str]) -> None:
        """`upload_limit` in bytes, for bodies that are no JSON, below `upload_paths`."""
        super().__init__(inner)
        self._upload_limit = upload_limit
        self._upload_paths = tuple(upload_paths)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass whose body is within its limit."""
        limit = self._limit_of(scope)
        detail = f"The body is larger than {limit:,} bytes"
        length = Headers(scope=scope).get("Content-Length", "0")
        if not length.isdecimal() or int(length) > limit:
            refusal = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            refusal.headers.update(HANG_UP)
            await refusal(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, HANG_UP)
            return message

        await self.inner(scope, limited, send)

    def _limit_of(self, scope: Scope) -> int:
        is_json = Headers(scope=scope).get("Content-Type", "").startswith("application/json")
        return self._upload_limit if not is_json and scope["path"].startswith(self._upload_paths) else JSON_LIMIT
