"""Answers wait for the disk."""

import asyncio

from lwm2m_ml.coap.fast import FastResponse
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.commit import answer_after
from lwm2m_ml.store.errors import StoreError

CREATED = FastResponse(ResponseCode.CREATED)


async def test_the_answer_and_then_the_announcement_follow_the_commit() -> None:
    commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    announced: list[bool] = []
    answer = answer_after(commit, CREATED, lambda: announced.append(answer.done()), 10)
    await asyncio.sleep(0)
    assert not answer.done()
    commit.set_result(None)
    assert await answer is CREATED
    assert announced == [True]


async def test_a_failed_commit_is_undone_and_the_device_is_asked_to_come_back() -> None:
    commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    calls: list[str] = []
    answer = answer_after(commit, CREATED, lambda: calls.append("announced"), 7, undo=lambda: calls.append("undone"))
    commit.set_exception(StoreError("The disk is full"))
    response = await answer
    assert (response.code, response.max_age) == (ResponseCode.SERVICE_UNAVAILABLE, 7)
    assert calls == ["undone"]


async def test_an_answer_that_nobody_waits_for_any_more_does_no_harm() -> None:
    commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    announced: list[None] = []
    answer = answer_after(commit, CREATED, lambda: announced.append(None), 10)
    answer.cancel()
    commit.set_result(None)
    await asyncio.sleep(0)
    assert announced == [None]
