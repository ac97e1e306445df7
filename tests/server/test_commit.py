"""Answers wait for the disk."""

from lwm2m_ml.coap.fast import FastResponse
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.commit import answer_after
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreError

CREATED = FastResponse(ResponseCode.CREATED)


def test_the_answer_and_then_the_announcement_follow_the_commit() -> None:
    commit = Commit()
    told: list[object] = []
    answer = answer_after(commit, CREATED, lambda: told.append("announced"), 10)
    answer.then(told.append)
    assert told == []
    commit.settle()
    assert told == [CREATED, "announced"]


def test_a_failed_commit_is_undone_and_the_device_is_asked_to_come_back() -> None:
    commit = Commit()
    answers: list[FastResponse] = []
    calls: list[str] = []
    answer = answer_after(commit, CREATED, lambda: calls.append("announced"), 7, undo=lambda: calls.append("undone"))
    answer.then(answers.append)
    commit.settle(StoreError("The disk is full"))
    assert [(one.code, one.max_age) for one in answers] == [(ResponseCode.SERVICE_UNAVAILABLE, 7)]
    assert calls == ["undone"]


def test_an_answer_that_nobody_waits_for_does_no_harm() -> None:
    commit = Commit()
    announced: list[None] = []
    answer = answer_after(commit, CREATED, lambda: announced.append(None), 10)
    commit.settle()
    assert answer.given
    assert announced == [None]
