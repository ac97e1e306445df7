"""Answers that leave when what they promise is on disk."""

from collections.abc import Callable

import structlog

from lwm2m_ml.coap.fast import FastResponse, PendingResponse
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.store.commit import Commit

log = structlog.get_logger(__name__)


def answer_after(
    commit: Commit,
    response: FastResponse,
    announce: Callable[[], None],
    retry_after: int,
    *,
    undo: Callable[[], None] | None = None,
) -> PendingResponse:
    """A pending answer: `response` once `commit` is done, 5.03 with `undo` called when it failed.

    `announce` is called after the answer was given, so that whoever hears of it finds a device that has its answer.
    """
    answer = PendingResponse()

    def settled(error: Exception | None) -> None:
        if error is None:
            answer.give(response)
            announce()
            return
        log.error("change not written", reason=str(error))
        if undo is not None:
            undo()
        answer.give(FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=retry_after))

    commit.then(settled)
    return answer
