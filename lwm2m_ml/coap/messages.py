"""Between this room's options and payload and `aiocoap.Message`, the vocabulary of the slow path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiocoap
from aiocoap.message import Direction
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import Type

from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.options import Options

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import Remote


def to_message(code: int, options: Options, payload: bytes, remote: Remote, token: bytes = b"") -> aiocoap.Message:
    """The aiocoap message of what arrived; only numbers of known options get here, so nothing is cached for ever."""
    message = aiocoap.Message(code=code, payload=payload)
    message.token = token
    message.remote = remote
    message.mtype = Type.CON
    message.direction = Direction.INCOMING
    for number, value in options:
        try:
            message.opt.add_option(OptionNumber(number).create_option(decode=value))
        except UnicodeDecodeError:
            raise UnusableOption(number, "is not UTF-8") from None
    return message


def to_options(message: aiocoap.Message) -> Options:
    """The options of a message to be sent."""
    return [(int(option.number), option.encode()) for option in message.opt.option_list()]
