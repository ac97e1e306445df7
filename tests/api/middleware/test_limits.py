"""What one caller may send, and how often."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lwm2m_ml.api.middleware.bodies import JSON_LIMIT, BodyLimits
from lwm2m_ml.api.middleware.callers import Callers
from lwm2m_ml.app import Running
from lwm2m_ml.service.access import Caller
from lwm2m_ml.service.access import Scope as TokenScope

UPLOAD_LIMIT = 1000


class KnownTokens:
    """Knows the token `good`."""

    async def caller_of(self, token: str) -> Caller | None:
        return Caller("good", TokenScope.VIEWER) if token == "good" else None


async def length(scope: Scope, receive: Receive, send: Send) -> None:
    scope.setdefault("state", {})
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {}
        await app(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://api")


@pytest.mark.parametrize(("path", "size", "status"), [("/models/x", 1000, 200), ("/models/x", 1001, 413)])
async def test_an_upload_that_says_it_is_too_large_is_refused_at_once(path: str, size: int, status: int) -> None:
    async with client_of(BodyLimits(length, UPLOAD_LIMIT, ("/models",))) as http:
        answer = await http.put(path, content=bytes(size))
    assert answer.status_code == status


async def test_json_has_a_limit_of_its_own_everywhere() -> None:
    async with client_of(BodyLimits(length, UPLOAD_LIMIT, ("/models",))) as http:
        small = await http.put("/models/x", content=bytes(1001), headers={"Content-Type": "application/json"})
        large = await http.put("/other", content=bytes(JSON_LIMIT + 1))
    assert (small.status_code, large.status_code) == (200, 413)


async def test_an_upload_of_unknown_length_is_cut_off_where_it_gets_too_large(
    http: httpx.AsyncClient, where: Running
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1 << 20
            yield bytes(1 << 20)

    headers = {"Authorization": f"Bearer {where.first_token}", "Content-Type": "application/json"}
    try:
        answer = await http.post("/api/v1/tokens", content=endless(), headers=headers)
        assert answer.status_code == 413
    except httpx.TransportError:  # the server hung up while this was still sending
        pass
    assert sent < 100 << 20


async def test_a_caller_who_asks_too_often_is_told_to_wait() -> None:
    async with client_of(Callers(length, KnownTokens(), 10.0)) as http:  # type: ignore[arg-type]
        headers = {"Authorization": "Bearer good"}
        answers = [await http.get("/api/v1", headers=headers) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 5 <= len(refused) <= 10
    assert refused[0].headers["Retry-After"] == "1"
    assert refused[0].headers["Content-Type"] == "application/problem+json"


async def test_devices_that_download_are_held_to_no_rate() -> None:
    async with client_of(Callers(length, KnownTokens(), 10.0)) as http:  # type: ignore[arg-type]
        answers = [await http.get("/packages/x") for _ in range(60)]
    assert {answer.status_code for answer in answers} == {200}


async def test_strangers_get_a_tenth_and_do_not_use_up_what_callers_have() -> None:
    async with client_of(Callers(length, KnownTokens(), 10.0)) as http:  # type: ignore[arg-type]
        guesses = [await http.get("/api/v1", headers={"Authorization": f"Bearer {guess}"}) for guess in range(20)]
        good = await http.get("/api/v1", headers={"Authorization": "Bearer good"})
    assert 13 <= sum(answer.status_code == 429 for answer in guesses) <= 15
    assert good.status_code == 200
