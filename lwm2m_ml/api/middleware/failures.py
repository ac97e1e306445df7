"""Turns an error that nobody foresaw into a problem that tells nothing of the inside; the log says more."""

from http import HTTPStatus

import structlog
from starlette.types import Message, Receive, Scope, Send

from lwm2m_ml.api.middleware.base import Middleware
from lwm2m_ml.api.problems import problem

log = structlog.get_logger(__name__)


class UnforeseenErrors(Middleware):
    """Stands next to the routes, so that everything around it sees an answer."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, whatever happens; an answer that has begun is cut off."""
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.inner(scope, receive, answer)
        except Exception as error:
            log.error("a request failed unexpectedly", method=scope["method"], path=scope["path"], exc_info=error)
            if begun:
                raise
            detail = "The server failed; its log says more"
            await problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)(scope, receive, send)
