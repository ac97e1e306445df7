"""Requests with Q-Block options, put together and answered through the responder (RFC 9177 §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.options import decode_block, first_block
from lwm2m_ml.coap.qblock.receiver import BodyReceiver
from lwm2m_ml.coap.qblock.sender import BodySender

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Incoming
    from lwm2m_ml.coap.responder import Responder
    from lwm2m_ml.coap.settings import CoapSettings


class QBlockServer:
    """The server side of one endpoint."""

    __slots__ = ("_receiver", "_responder", "_sender")

    def __init__(self, settings: CoapSettings, responder: Responder) -> None:
        self._responder = responder
        self._receiver = BodyReceiver(settings, self._dispatch)
        self._sender = BodySender(settings, self._dispatch)

    def receive(self, request: FastRequest, incoming: Incoming) -> None:
        """One request that carries such an option, which was decoded already."""
        block = first_block(request.options, numbers.Q_BLOCK1)
        if block is not None:
            self._receiver.receive(request, block, incoming)
            return
        wanted = [decode_block(number, value) for number, value in request.options if number == numbers.Q_BLOCK2]
        self._sender.receive(request, wanted, incoming)

    def _dispatch(self, request: FastRequest, incoming: Incoming) -> None:
        answer = self._responder.answer(request, incoming.size)
        if isinstance(answer, tuple):
            incoming.reply(*answer)
        else:
            self._responder.answer_later(request, incoming, answer)

    def close(self) -> None:
        """Stop every timer."""
        self._receiver.close()
        self._sender.close()

    def __len__(self) -> int:
        return len(self._receiver) + len(self._sender)
