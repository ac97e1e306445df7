"""All OSCORE contexts of an endpoint: found in a dictionary when a message names them, made when first needed.

    request with the option    context by (kid, kid context) → opened → replay window → responder   RFC 8613 §8.2
    response to one of ours    request by token → opened → whoever waits for it                     §8.4
    what cannot be opened      4.02, 4.01 or 4.00, unprotected                                      §8.2

Only credentials that the lookup knows cost memory, so the dictionary needs no bound of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.errors import AddressError, NetworkError, UnusableOption
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.options import first, usable
from lwm2m_ml.coap.oscore.active import ActiveContext
from lwm2m_ml.coap.oscore.errors import ProtectionInvalid, ProtectionRefused, UnreadableProtection
from lwm2m_ml.coap.oscore.incoming import ProtectedRequest
from lwm2m_ml.coap.oscore.pending import PendingResponses
from lwm2m_ml.coap.oscore.remote import OscoreChannel, OscoreRemote
from lwm2m_ml.coap.oscore.replay import ReplayWindow
from lwm2m_ml.coap.oscore.security import BareMessage, option_of
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.oscore.credentials import OscoreCredential, OscoreLookup
    from lwm2m_ml.coap.oscore.states import OscoreStates
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

AT_ONCE = (numbers.MAX_AGE, b"")
"""An error about protection is not to be cached (RFC 8613 §8.2)."""
FIRST_ERROR = 0x80


class OscoreLayer:
    """Between the transports of an endpoint and its requester and responder."""

    __slots__ = (
        "_closed",
        "_contexts",
        "_lookup",
        "_pending",
        "_requester",
        "_responder",
        "_settings",
        "_states",
        "_stop_pipes",
        "_tasks",
        "local_address",
    )

    def __init__(
        self,
        settings: CoapSettings,
        requester: Requester,
        responder: Responder,
        stop_pipes: Callable[[Remote], None],
        *,
        lookup: OscoreLookup,
        states: OscoreStates,
    ) -> None:
        self._settings = settings
        self._requester = requester
        self._responder = responder
        self._stop_pipes = stop_pipes
        self._lookup = lookup
        self._states = states
        self._contexts: dict[tuple[bytes, bytes | None], ActiveContext] = {}
        self._pending = PendingResponses()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.local_address = ("", 0)
        requester.protection = self
        responder.protection = self

    # Contexts

    def secured(self, carrier: Remote, credential: OscoreCredential) -> Remote:
        """The peer of a credential, reached through `carrier`."""
        active = self._activate(credential, carrier)
        active.remote.travel(carrier)
        return active.remote

    def secured_server(self, carrier: Remote, host: str, port: int) -> Remote:
        """The server at a host and port: protected when there is a credential for it, else `carrier` itself."""
        credential = self._lookup.oscore_server(host, port)
        return carrier if credential is None else self.secured(carrier, credential)

    def _find(self, kid: bytes, kid_context: bytes | None, carrier: Remote) -> ActiveContext | None:
        active = self._contexts.get((kid, kid_context))
        if active is None:
            credential = self._lookup.oscore_context(kid, kid_context)
            active = None if credential is None else self._activate(credential, carrier)
        return active

    def _activate(self, credential: OscoreCredential, carrier: Remote) -> ActiveContext:
        key = (credential.recipient_id, credential.id_context)
        active = self._contexts.get(key)
        if active is None or active.security.credential != credential:
            active = ActiveContext(credential, self._states, self._settings.oscore_number_chunk, self._tasks)
            active.remote = OscoreRemote(OscoreChannel(active, self._pending), carrier)
            self._contexts[key] = active
        return active

    # Requests from peers

    def receive_request(self, request: FastRequest, incoming: Incoming) -> None:
        """A request with the OSCORE option, which is answered through `incoming`."""
        if self._closed:
            # A window that was saved must not see anything more: after the restart it would be accepted again.
            incoming.reply(numbers.EMPTY, b"")
            return
        message = BareMessage(request.code, request.options, request.payload)
        try:
            option = option_of(message)
            if option.kid is None or request.code not in (numbers.POST, numbers.FETCH):
                raise UnreadableProtection("A protected request is a POST or a FETCH with a kid")
        except UnreadableProtection:
            _refuse(incoming, numbers.BAD_OPTION, "Failed to decode COSE")
            return
        active = self._find(option.kid, option.kid_context, incoming.remote)
        if active is None:
            logger.info("An OSCORE context is not known", peer=str(incoming.remote), kid=option.kid.hex())
            _refuse(incoming, numbers.UNAUTHORIZED, "Security context not found")
            return
        active.when_open(partial(self._open_request, active, message, incoming))

    def _open_request(self, active: ActiveContext, message: BareMessage, incoming: Incoming) -> None:
        """RFC 8613 §8.2: replay, decryption, then what was inside."""
        number = int.from_bytes(option_of(message).partial_iv)
        if active.window is not None and not active.window.accepts(number):
            _refuse(incoming, numbers.UNAUTHORIZED, "Replay detected")
            return
        try:
            inner, binding = active.security.open_request(message)
        except ProtectionInvalid as error:
            logger.info("An OSCORE request cannot be opened", identity=active.identity, reason=error.message)
            _refuse(incoming, numbers.BAD_REQUEST, "Decryption failed")
            return
        protected = ProtectedRequest(active, binding, incoming)
        if not self._is_fresh(active, number, inner):
            protected.demand_echo()
            return
        if active.window is not None and active.window.mark(number):
            active.remote.travel(incoming.remote)
        active.remote.bytes_in += incoming.size
        self._answer(inner, protected)

    def _is_fresh(self, active: ActiveContext, number: int, inner: BareMessage) -> bool:
        """After loss of the window only an Echo proves freshness; everything up to that request is old then."""
        if active.window is not None:
            return True
        if not active.is_echo(first(inner.options, numbers.ECHO)):
            return False
        # As if the request before this one had been seen: this one is marked by the caller.
        active.window = ReplayWindow.beginning_with(active.security.credential.window, number - 1)
        return True

    def _answer(self, inner: BareMessage, protected: ProtectedRequest) -> None:
        try:
            request = FastRequest(protected.remote, inner.code, usable(inner.options), inner.payload)
        except UnusableOption as error:
            protected.reply(numbers.BAD_OPTION, Response(0, [], error.message.encode()).tail())
            return
        answer = self._responder.answer(request, protected.size)
        if isinstance(answer, tuple):
            protected.reply(*answer)
        else:
            self._responder.answer_later(request, protected, answer)

    # Responses to our requests

    def open_response(self, carrier: Remote, message: RawMessage) -> tuple[Remote, RawMessage] | None:
        """From whom a response really is, and what it says; None when nobody may see it."""
        pending = self._pending.find(message.token)
        if pending is None:
            return None
        remote = pending.active.remote
        if first(message.options, numbers.OSCORE) is None:
            if message.code >= FIRST_ERROR and not pending.heard:
                text = message.payload.decode(errors="replace")
                error = f"{remote.hostinfo} refused the protected request: {text}"
                self._requester.fail(remote, message.token, ProtectionRefused(error))
            return None
        try:
            inner = pending.open(BareMessage(message.code, message.options, message.payload))
            options = usable(inner.options)
        except (ProtectionInvalid, UnusableOption) as error:
            logger.info("An OSCORE response cannot be used", identity=remote.identity, reason=error.message)
            return None
        remote.bytes_in += len(message.payload)
        if carrier is not remote.carrier:
            remote.travel(carrier)
        return remote, replace(message, code=inner.code, options=options, payload=inner.payload)

    def forget(self, token: bytes) -> None:
        """Nobody waits for responses with this token."""
        self._pending.forget(token)

    # What the endpoint asks of a transport

    def owns(self, remote: Remote) -> bool:
        """Whether the peer is known by a context here."""
        return isinstance(remote.channel, OscoreChannel) and remote.channel.active in self._contexts.values()

    async def resolve(self, host: str, port: int) -> Remote:
        """Contexts have no addresses of their own."""
        raise AddressError(f"{host}:{port} is reached through another transport")

    def move(self, remote: Remote, new: Remote) -> None:
        """`remote` is known by the context of `new` from now on, as after a change of keys."""
        if remote is new or not (isinstance(new, OscoreRemote) and isinstance(remote, OscoreRemote)):
            return
        remote.channel = new.channel
        new.oscore_channel.active.remote = remote
        remote.travel(new.carrier)

    def doubt(self, identity: str) -> None:
        """Another process may answer this peer from now on: when it is back here, it has to prove that it is fresh."""
        for active in self._contexts.values():
            if active.identity == identity:
                active.doubt()

    def drop_identity(self, identity: str) -> None:
        """The credential was revoked or changed: what was made of it is gone."""
        for key, active in list(self._contexts.items()):
            if active.identity == identity:
                del self._contexts[key]
                self._requester.fail_all(active.remote, NetworkError(f"The credential of {identity} is gone"))
                self._stop_pipes(active.remote)
                active.close()

    async def close(self) -> None:
        """Open nothing more, and save what a restart must know."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for active in self._contexts.values():
            active.close()
            await active.save()


def _refuse(incoming: Incoming, code: int, text: str) -> None:
    incoming.reply(code, Response(0, [AT_ONCE], text.encode()).tail())
