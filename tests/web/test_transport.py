"""The way to the API in the same process, against applications of which the test knows everything."""

import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from lwm2m_ml.web.transport import InProcess

ADDRESS = ("192.0.2.7", 1234)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    assert scope["client"] == ADDRESS
    headers = [(b"x-query", scope["query_string"]), (b"x-path", scope["path"].encode())]
    await send({"type": "http.response.start", "status": 207, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"][:2], "more_body": True})
    await send({"type": "http.response.body", "body": message["body"][2:]})


async def test_a_request_arrives_and_is_answered() -> None:
    async with httpx.AsyncClient(transport=InProcess(echo, ADDRESS), base_url="http://here") as client:
        answer = await client.post("/a%2Fb", params={"q": "1 2"}, content=b"hello")
    assert (answer.status_code, answer.content) == (207, b"hello")
    assert answer.headers["x-query"] == "q=1+2"


async def test_a_stream_is_read_as_it_comes_and_ends_with_its_reader() -> None:
    gone = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for number in range(1_000_000):
                await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
        finally:
            gone.set()

    async with (
        httpx.AsyncClient(transport=InProcess(endless, ADDRESS), base_url="http://here") as client,
        client.stream("GET", "/") as answer,
    ):
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == ["0", "1", "2"]
    await asyncio.wait_for(gone.wait(), 10)


async def test_an_application_that_gives_no_answer_is_an_error() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    async with httpx.AsyncClient(transport=InProcess(silent, ADDRESS), base_url="http://here") as client:
        with pytest.raises(httpx.ReadError):
            await client.get("/")
