"""Answers that leave when what they promise is on disk."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from lwm2m_ml.coap.fast import FastResponse
from lwm2m_ml.lwm2m.response_codes import ResponseCode

log = structlog.get_logger(__name__)


def answer_after(
    commit: asyncio.Future[Any],
    response: FastResponse,
    announce: Callable[[], None],
    retry_after: int,
    *,
    undo: Callable[[], None] | None = None,
) -> asyncio.Future[FastResponse]:
    """A future answer: `response` once `commit` is done, 5.03 with `undo` called when it failed.

    `announce` is called after the answer was given, so that whoever hears of it finds a device that has its answer.
    """
    answer: asyncio.Future[FastResponse] = commit.get_loop().create_future()

    def committed(done: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            _give(answer, response)
            announce()
            return
        log.error("change not written", reason=str(error))
        if undo is not None:
            undo()
        _give(answer, FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=retry_after))

    commit.add_done_callback(committed)
    return answer


def _give(answer: asyncio.Future[FastResponse], response: FastResponse) -> None:
    if not answer.done():  # the endpoint gives up waiting when it is closed
        answer.set_result(response)
