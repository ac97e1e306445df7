"""Requests of devices that another node acted for: this node claims the device first, then answers.

Where a device's datagrams arrive is where it is served: the answer has to leave from the address that was asked.
"""

import asyncio
from collections.abc import Callable

import structlog

from lwm2m_ml.bus import Ownership
from lwm2m_ml.coap.fast import FastAnswer, FastHandler, FastRequest, FastResponse, HandlerTable, PendingResponse
from lwm2m_ml.lwm2m.response_codes import ResponseCode

MAXIMUM_CLAIMS = 5_000
"""Claims under way; beyond them devices are asked to come back later."""

log = structlog.get_logger(__name__)


class GatedHandlers:
    """Handlers that are called only for devices that this process acts for, or for nobody in particular."""

    __slots__ = ("_behind", "_endpoint_of", "_ownership", "_retry_after", "_under_way")

    def __init__(
        self,
        behind: HandlerTable,
        ownership: Ownership,
        endpoint_of: Callable[[FastRequest], str | None],
        *,
        retry_after: int,
    ) -> None:
        """What is added here goes into `behind`. `endpoint_of` names the device that a request is about, if it can."""
        self._behind = behind
        self._ownership = ownership
        self._endpoint_of = endpoint_of
        self._retry_after = retry_after
        self._under_way = 0

    def add(self, code: int, first_segment: str, handler: FastHandler) -> None:
        """Let this handler answer, behind the gate."""

        def gated(request: FastRequest) -> FastAnswer:
            endpoint = self._endpoint_of(request)
            if endpoint is None or self._ownership.has(endpoint):
                return handler(request)
            return self._after_claim(endpoint, request, handler)

        self._behind.add(code, first_segment, gated)

    def _after_claim(self, endpoint: str, request: FastRequest, handler: FastHandler) -> FastAnswer:
        if self._under_way >= MAXIMUM_CLAIMS:
            return self._later()
        answer = PendingResponse()
        self._under_way += 1

        def claimed(future: "asyncio.Future[None]") -> None:
            self._under_way -= 1
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or error is not None or not self._ownership.has(endpoint):
                log.warning("request put off", endpoint=endpoint, reason=str(error or "the claim was given up"))
                answer.give(self._later())
                return
            given = handler(request)
            if isinstance(given, PendingResponse):
                given.then(answer.give)
            else:
                answer.give(given if isinstance(given, FastResponse) else self._later())

        self._ownership.claim(endpoint).add_done_callback(claimed)
        return answer

    def _later(self) -> FastResponse:
        return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=self._retry_after)
