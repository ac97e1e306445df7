"""The slow path: a request becomes an aiocoap pipe, its responses become messages (RFC 7252 §5.2, RFC 7641 §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocoap.pipe import Pipe

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import CoapError, UnusableOption
from lwm2m_ml.coap.fast import FastResponse
from lwm2m_ml.coap.messages import to_message, to_options
from lwm2m_ml.coap.options import without
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    import aiocoap

    from lwm2m_ml.coap.channel import Incoming, Transmission
    from lwm2m_ml.coap.fast import FastRequest
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.responder import Responder

HANDLED_BELOW = frozenset({numbers.BLOCK1, numbers.BLOCK2, numbers.NO_RESPONSE})
RETRY_AFTER = 60
"""Max-Age of 5.03 in seconds, when too many observations are kept."""
NOT_FOR_THE_WIRE = frozenset({numbers.NO_RESPONSE})


class PipeTable:
    """Requests that are being rendered or observed, by peer and token."""

    __slots__ = ("_maximum", "_responder", "_running")

    def __init__(self, responder: Responder, maximum: int) -> None:
        self._maximum = maximum
        self._responder = responder
        self._running: dict[tuple[Remote, bytes], RunningPipe] = {}

    def render(self, request: FastRequest, incoming: Incoming, context: Any) -> None:
        """Let the context's site answer a request."""
        key = (incoming.remote, incoming.token)
        earlier = self._running.get(key)
        if earlier is not None:
            earlier.stop()
        running = RunningPipe(self, self._responder, request, incoming)
        if len(self._running) >= self._maximum:
            running.refuse(FastResponse(numbers.SERVICE_UNAVAILABLE, max_age=RETRY_AFTER))
            return
        try:
            message = to_message(
                request.code, without(request.options, HANDLED_BELOW), request.payload, request.remote, incoming.token
            )
        except UnusableOption as error:
            running.refuse(FastResponse(numbers.BAD_OPTION, error.message.encode()))
            return
        self._running[key] = running
        running.start(message, context)

    def forget(self, running: RunningPipe) -> None:
        """The pipe has ended."""
        key = (running.incoming.remote, running.incoming.token)
        if self._running.get(key) is running:
            del self._running[key]

    def stop_remote(self, remote: Remote) -> None:
        """The peer is gone."""
        for running in [running for (peer, _), running in self._running.items() if peer.is_reached_through(remote)]:
            running.stop()

    def close(self) -> None:
        """Stop everything; nothing is sent."""
        for running in list(self._running.values()):
            running.stop()

    def __len__(self) -> int:
        return len(self._running)


class RunningPipe:
    """One request on the slow path, until its last response or the peer's loss of interest."""

    __slots__ = (
        "_latest",
        "_remove",
        "_replied",
        "_responder",
        "_stopped",
        "_table",
        "_unconfirmed",
        "_under_way",
        "incoming",
        "request",
    )

    def __init__(self, table: PipeTable, responder: Responder, request: FastRequest, incoming: Incoming) -> None:
        self._table = table
        self._responder = responder
        self.request = request
        self.incoming = incoming
        self._replied = False
        self._stopped = False
        self._remove: Any = None
        self._under_way: Transmission | None = None
        self._unconfirmed: Transmission | None = None
        self._latest: aiocoap.Message | None = None

    def start(self, message: aiocoap.Message, context: Any) -> None:
        """Run the site."""
        pipe = Pipe(message, context.log)
        self._remove = pipe.on_event(self._on_event)
        pipe.on_interest_end(self._on_end)
        context.render_to_pipe(pipe)

    def refuse(self, response: FastResponse) -> None:
        """The request is not rendered."""
        self._reply(response)

    def _on_event(self, event: Any) -> bool:
        if event.message is None:
            self._reply(FastResponse(numbers.INTERNAL_SERVER_ERROR))
            return False
        if self._replied:
            self._notify(event.message)
        else:
            self._reply(self._response(event.message))
        return not event.is_last

    def _response(self, message: aiocoap.Message) -> Response:
        return Response(int(message.code), without(to_options(message), NOT_FOR_THE_WIRE), message.payload)

    def _reply(self, response: FastResponse | Response) -> None:
        if not self._replied:
            self._replied = True
            self._responder.done(self.request)
            self.incoming.reply(*self._responder.finish(self.request, response, self.incoming.size, again=False))

    def _notify(self, message: aiocoap.Message) -> None:
        """Only the newest state is worth sending while the peer has not taken the one before (RFC 7641 §4.5.2)."""
        if self._under_way is not None:
            self._latest = message
            return
        if self._unconfirmed is not None:
            self._unconfirmed.stop()
            self._unconfirmed = None
        code, tail = self._responder.finish(self.request, self._response(message), self.incoming.size, again=False)
        confirmable = message.transport_tuning.reliability is not False or not self.incoming.remote.proven
        try:
            transmission = self.incoming.notify(code, tail, confirmable=confirmable, outcome=self._notified)
        except CoapError:
            self.stop()
            return
        if confirmable:
            self._under_way = transmission
        else:
            self._unconfirmed = transmission

    def _notified(self, error: CoapError | None) -> None:
        self._under_way = None
        if error is not None:
            self._latest = None
            self.stop()
        elif self._latest is not None:
            message, self._latest = self._latest, None
            self._notify(message)

    def _on_end(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if not self._replied:
            self._replied = True
            self._responder.done(self.request)
            self.incoming.reply(numbers.EMPTY, b"")
        self._table.forget(self)

    def stop(self) -> None:
        """The peer is not interested any more."""
        if not self._stopped and self._remove is not None:
            self._remove()
