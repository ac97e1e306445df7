"""Who gets in, and what browsers are told."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.gate import COOKIE, Gate
from lwm2m_ml.web.sessions import Session, Sessions

HTML = {"Accept": "text/html"}


async def inside(request: Request) -> PlainTextResponse:
    session: Session = request.state.session
    return PlainTextResponse(session.caller)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def browser(sessions: Sessions) -> httpx.AsyncClient:
    app = Starlette(routes=[Route(f"{ROOT}/page", inside, methods=["GET", "POST"])])
    transport = httpx.ASGITransport(Gate(app, sessions))
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def cookie(sessions: Sessions) -> dict[str, str]:
    secret = await sessions.begin(Session("ann", "viewer", AsyncClient("http://nowhere", "token")))
    return {"Cookie": f"{COOKIE}={secret}"}


async def test_a_stranger_is_shown_the_way_in(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(f"{ROOT}/page?a=b", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{ROOT}/login?next=/dashboard/page%3Fa%3Db"


async def test_what_is_no_page_is_refused_to_a_stranger(browser: httpx.AsyncClient) -> None:
    assert (await browser.get(f"{ROOT}/page")).status_code == 401
    assert (await browser.post(f"{ROOT}/page", headers=HTML)).status_code == 401


async def test_who_is_logged_in_gets_in(browser: httpx.AsyncClient, sessions: Sessions) -> None:
    answer = await browser.get(f"{ROOT}/page", headers=await cookie(sessions))
    assert (answer.status_code, answer.text) == (200, "ann")


async def test_pages_may_load_from_here_only(browser: httpx.AsyncClient, sessions: Sessions) -> None:
    answer = await browser.get(f"{ROOT}/page", headers=await cookie(sessions))
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("origin", ["http://elsewhere", "http://here.evil", "null"])
async def test_another_site_changes_nothing_with_the_cookie(
    browser: httpx.AsyncClient, sessions: Sessions, origin: str
) -> None:
    headers = await cookie(sessions) | {"Origin": origin}
    assert (await browser.post(f"{ROOT}/page", headers=headers)).status_code == 403
    assert (await browser.post(f"{ROOT}/page", headers=headers | {"Origin": "http://here"})).status_code == 200


@pytest.mark.parametrize("text", ["=", "a=b; c", f"{COOKIE}=", f'{COOKIE}="x"', "\x01"])
async def test_a_malformed_cookie_is_that_of_a_stranger(browser: httpx.AsyncClient, text: str) -> None:
    assert (await browser.get(f"{ROOT}/page", headers={"Cookie": text})).status_code == 401
