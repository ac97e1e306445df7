"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST with one is carried out once."""

import hashlib
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lwm2m_ml.api.middleware.base import Middleware
from lwm2m_ml.api.problems import problem, problem_of
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.repeats import Answer, Repeats, key_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
DID_NOTHING = range(400, 500)
"""Statuses of requests that changed nothing: their keys may be used again."""


class Idempotency(Middleware):
    """Keeps the answers of POST requests that carry a key, and gives them again."""

    def __init__(self, inner: ASGIApp, repeats: Repeats) -> None:
        super().__init__(inner)
        self._repeats = repeats

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or repeat the answer that it got."""
        caller = scope["state"]["caller"]
        chosen = Headers(scope=scope).get(HEADER)
        if chosen is None or caller is None or scope["method"] != "POST":
            await self.inner(scope, receive, send)
            return
        if not 0 < len(chosen) <= LONGEST_KEY:
            detail = f"{HEADER} has 1 to {LONGEST_KEY} characters"
            await problem(HTTPStatus.BAD_REQUEST, detail)(scope, receive, send)
            return
        where = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        key = key_of(caller.name, scope["method"], where, chosen)
        body = _Body(receive)
        try:
            if await self._repeats.take(key):
                answer = await self._first(key, scope, body)
            else:
                answer = await self._again(key, body)
        except Lwm2mMlError as error:
            answer = problem_of(error)
        await answer(scope, receive, send)

    async def _again(self, key: str, body: "_Body") -> Response:
        await body.drain()
        return _response(await self._repeats.earlier(key, body.digest), replayed=True)

    async def _first(self, key: str, scope: Scope, body: "_Body") -> Response:
        recorder = _Recorder()
        try:
            await self.inner(scope, body.receive, recorder.send)
        except BaseException:
            self._repeats.forget(key)
            raise
        if recorder.status in DID_NOTHING or recorder.status == HTTPStatus.SERVICE_UNAVAILABLE:
            await self._repeats.release(key)
        else:
            await body.drain()
            await self._repeats.keep(key, body.digest, recorder.answer)
        return _response(recorder.answer)


class _Body:
    """Hashes a request's body on its way to the route."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._hash = hashlib.sha256()
        self._complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._hash.update(message.get("body", b""))
        self._complete = self._complete or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take what the route did not."""
        while not self._complete:
            await self.receive()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class _Recorder:
    """Takes an answer instead of the network."""

    def __init__(self) -> None:
        self.status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
            )
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self._headers, bytes(self._body))


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    headers = dict(answer.headers)
    if replayed:
        headers[REPLAYED] = "true"
    return Response(answer.body, answer.status, headers)
