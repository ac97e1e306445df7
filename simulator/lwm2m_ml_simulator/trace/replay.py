"""Sends what a device once sent to a server again, and answers the server as the device once did."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from aiocoap import Code, Message
from aiocoap.pipe import Pipe

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml_simulator.client.connection import local_host, resolve
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.errors import InvalidTrace, SimulatorError
from lwm2m_ml_simulator.trace.reader import Recorded

_PATIENCE = 20.0
_REGISTRATION = ("rd",)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One request of the device: what it was answered then, and what it is answered now (None: nothing)."""

    at: float
    request: str
    then: str | None
    now: str | None

    @property
    def alike(self) -> bool:
        """Whether the answer has the same code."""
        return self.then == self.now


async def replay(trace: Sequence[Recorded], server: str, *, speed: float = 1.0) -> list[Replayed]:
    """Replay a trace over plain CoAP, `speed` times as fast as it was.

    Raises InvalidTrace for what cannot be replayed, SimulatorError when the server does not even answer the beginning.

    The paths of registrations are those that this server gives. Notifications are not sent again: whether they are
    wanted is up to the server that observes.
    """
    requests = _requests(trace)
    if not requests:
        secret = any(recorded.encrypted for recorded in trace)
        hint = "It was recorded over DTLS: only plain CoAP can be replayed" if secret else ""
        raise InvalidTrace("The trace holds no requests of a device", hint=hint)
    uri = ServerUri.parse(server)
    then = _codes(trace, up=False)
    places: dict[tuple[str, ...], tuple[str, ...]] = {}
    results: list[Replayed] = []
    loop = asyncio.get_running_loop()
    host = await resolve(uri)
    site = _RecordedDevice(trace)
    async with await CoapEndpoint.bind(local_host(host), 0, site=site) as endpoint:
        began = loop.time()
        for recorded, request in requests:
            await asyncio.sleep(began + recorded.at / speed - loop.time())
            again = _again(request, places)
            again.remote = endpoint.remote(host, uri.port)
            answer = await _ask(endpoint, again)
            if answer is None and not results:
                raise SimulatorError(f"The server {server} does not answer")
            if answer is not None and tuple(request.opt.uri_path) == _REGISTRATION:
                known = then.get(request.token)
                if known is not None:
                    places[tuple(known.opt.location_path)] = tuple(answer.opt.location_path)
            results.append(Replayed(recorded.at, describe(request), _code(then.get(request.token)), _code(answer)))
    return results


def describe(message: Message) -> str:
    """Return a message in a few words."""
    path = "/" + "/".join(message.opt.uri_path) if message.code.is_request() else ""
    return f"{message.code.dotted if not message.code.is_request() else message.code.name} {path}".rstrip()


def _requests(trace: Sequence[Recorded]) -> list[tuple[Recorded, Message]]:
    """Return what the device asked, each once however often it was sent."""
    seen: set[tuple[int, bytes]] = set()
    found = []
    for recorded in trace:
        message = recorded.message
        if not recorded.up or message is None or not message.code.is_request():
            continue
        if (message.mid, message.token) not in seen:
            seen.add((message.mid, message.token))
            found.append((recorded, message))
    return found


def _codes(trace: Sequence[Recorded], *, up: bool) -> dict[bytes, Message]:
    """Return the last response of one side to each token."""
    return {
        recorded.message.token: recorded.message
        for recorded in trace
        if recorded.up is up and recorded.message is not None and recorded.message.code.is_response()
    }


def _again(request: Message, places: dict[tuple[str, ...], tuple[str, ...]]) -> Message:
    again = Message(code=request.code, payload=request.payload)
    again.opt.decode(request.opt.encode())
    path = tuple(request.opt.uri_path)
    again.opt.uri_path = places.get(path, path)
    return again


async def _ask(endpoint: CoapEndpoint, message: Message) -> Message | None:
    try:
        return await endpoint.request(message, timeout=_PATIENCE)
    except CoapError:
        return None


def _code(message: Message | None) -> str | None:
    return None if message is None else str(message.code.dotted)


class _RecordedDevice:
    """Answers a server's requests as the device answered the same ones, in the order in which it did."""

    def __init__(self, trace: Sequence[Recorded]) -> None:
        answers = _codes(trace, up=True)
        self._known: defaultdict[tuple[Code, tuple[str, ...]], deque[Message]] = defaultdict(deque)
        for recorded in trace:
            asked = recorded.message
            if not recorded.up and asked is not None and asked.code.is_request() and asked.token in answers:
                self._known[asked.code, tuple(asked.opt.uri_path)].append(answers[asked.token])

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """Answer one request; what the device was never asked is 4.04."""
        known = self._known.get((pipe.request.code, tuple(pipe.request.opt.uri_path)))
        answer = Message(code=Code.NOT_FOUND)
        if known:
            before = known[0] if len(known) == 1 else known.popleft()
            answer = Message(code=before.code, payload=before.payload)
            answer.opt.content_format = before.opt.content_format
        pipe.add_response(answer, is_last=True)
