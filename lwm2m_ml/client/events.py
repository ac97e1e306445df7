"""Reads server-sent events (WHATWG HTML §9.2) line by line."""

from typing import Generic, TypeVar

from pydantic import ValidationError

from lwm2m_ml.client.call import Call
from lwm2m_ml.client.errors import ApiError

Answer = TypeVar("Answer")

END = "end"
"""The event that says that nothing more comes."""


class EventReader(Generic[Answer]):
    """Takes the lines of a stream; gives the content of each event when its last line has come."""

    def __init__(self, call: Call[Answer]) -> None:
        self._call = call
        self._event = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Answer | None:
        """Take one line, without its end; comments and the end give nothing."""
        if line:
            name, _, text = line.partition(":")
            text = text.removeprefix(" ")
            if name == "event":
                self._event = text
            elif name == "data":
                self._data.append(text)
            return None
        event, data = self._event, "\n".join(self._data)
        self._event, self._data = "", []
        if event == END or not data:
            return None
        try:
            return self._call.answer.validate_json(data)
        except ValidationError as error:
            message = f"The server sent an event about {self._call.path} that this client does not understand"
            raise ApiError(message, status=200, hint="Use a client of the server's version") from error
