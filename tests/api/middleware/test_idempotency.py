"""A POST with an `Idempotency-Key` is carried out once, and every repetition gets the first one's answer."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.service.repeats import Answer, Repeats, key_of

BODY = {"label": "dashboard"}


@pytest.fixture
def admin(http: httpx.AsyncClient, where: Running) -> httpx.AsyncClient:
    http.headers["Authorization"] = f"Bearer {where.first_token}"
    return http


async def post(http: httpx.AsyncClient, path: str, body: Any, key: str) -> httpx.Response:
    return await http.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": key})


async def tokens(http: httpx.AsyncClient) -> int:
    return len((await http.get("/api/v1/tokens")).json()["items"])


async def test_a_repetition_gets_the_same_answer_and_makes_nothing(admin: httpx.AsyncClient) -> None:
    first = await post(admin, "/tokens", BODY, "one")
    again = await post(admin, "/tokens", BODY, "one")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Cache-Control"] == "no-store"
    assert await tokens(admin) == 2


async def test_other_keys_and_no_key_make_something_new(admin: httpx.AsyncClient) -> None:
    await post(admin, "/tokens", BODY, "one")
    await post(admin, "/tokens", BODY, "two")
    await admin.post("/api/v1/tokens", json=BODY)
    assert await tokens(admin) == 4


async def test_a_key_with_another_body_is_refused(admin: httpx.AsyncClient) -> None:
    await post(admin, "/tokens", BODY, "one")
    answer = await post(admin, "/tokens", {"label": "other"}, "one")
    assert answer.status_code == 422
    assert "another request" in answer.json()["detail"]
    assert await tokens(admin) == 2


async def test_keys_of_another_caller_are_their_own(admin: httpx.AsyncClient) -> None:
    other = (await admin.post("/api/v1/tokens", json={"label": "second", "scope": "admin"})).json()["secret"]
    await post(admin, "/tokens", BODY, "one")
    headers = {"Idempotency-Key": "one", "Authorization": f"Bearer {other}"}
    answer = await admin.post("/api/v1/tokens", json=BODY, headers=headers)
    assert "Idempotency-Replayed" not in answer.headers
    assert await tokens(admin) == 4


async def test_a_refused_request_may_be_repeated_with_its_key(admin: httpx.AsyncClient) -> None:
    assert (await post(admin, "/tokens", {"label": ""}, "one")).status_code == 422
    assert (await post(admin, "/tokens", BODY, "one")).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_of_an_absurd_length_is_refused(admin: httpx.AsyncClient, key: str) -> None:
    assert (await post(admin, "/tokens", BODY, key)).status_code == 400


async def test_repetitions_at_the_same_time_make_one_thing(admin: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(admin, "/tokens", BODY, "one") for _ in range(8)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert await tokens(admin) == 2


async def test_a_key_whose_request_died_with_the_server_is_never_carried_out_again(
    admin: httpx.AsyncClient, repeats: Repeats, where: Running
) -> None:
    caller = (await admin.get("/api/v1/caller")).json()["name"]
    key = key_of(caller, "POST", "/api/v1/tokens?", "one")
    assert await repeats.take(key)
    assert "under way" in (await post(admin, "/tokens", BODY, "one")).json()["detail"]
    repeats.forget(key)  # as after a restart
    answer = await post(admin, "/tokens", BODY, "one")
    assert answer.status_code == 409
    assert "Look whether it was carried out" in answer.json()["hint"]
    assert await tokens(admin) == 1


async def test_kept_answers_are_encrypted(admin: httpx.AsyncClient, repeats: Repeats, where: Running) -> None:
    issued = await post(admin, "/credentials", {"endpoint": "dev"}, "one")
    key = issued.json()["secret"]["key"]
    stored = await repeats._repository.get(  # the repository has no other reader
        key_of((await admin.get("/api/v1/caller")).json()["name"], "POST", "/api/v1/credentials?", "one")
    )
    assert stored is not None
    assert stored.answer is not None
    assert key.encode() not in stored.answer


async def test_answers_survive_the_way_to_the_disk_and_back(repeats: Repeats) -> None:
    answer = Answer(201, (("content-type", "application/json"),), json.dumps({"a": "ä"}).encode() + b"\x00\xff")
    assert await repeats.take("k")
    await repeats.keep("k", "f", answer)
    assert await repeats.earlier("k", "f") == answer
