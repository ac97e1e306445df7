"""The newest CoAP messages of devices that somebody looks at; nothing is kept of the others.

The first look at a device begins the log, and each later one keeps it alive for a while. Messages are kept as they
came, cut off at a limit, and read only when somebody asks. What OSCORE protects is shown as it travels: sealed.
"""

import time
from collections import deque
from dataclasses import dataclass, field

from lwm2m_ml.coap.codec import RawMessage, parse
from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.numbers import CONTENT_FORMAT, OBSERVE, URI_PATH, URI_QUERY
from lwm2m_ml.coap.options import decode_uint
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.server.registry import Registry

MESSAGES_KEPT = 200
BYTES_KEPT = 1_280
DEVICES_AT_ONCE = 64
SECONDS_WITHOUT_A_LOOK = 600.0
TYPES = ("CON", "NON", "ACK", "RST")
METHODS = {0: "Empty", 1: "GET", 2: "POST", 3: "PUT", 4: "DELETE", 5: "FETCH", 6: "PATCH", 7: "iPATCH"}
SHOWN_PAYLOAD = 256


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message: `inbound` from the device; times in Unix seconds, sizes in bytes. `payload` is the beginning."""

    number: int
    at: float
    inbound: bool
    type: str
    code: str
    message_id: int
    token: str
    path: str
    content_format: int | None
    observe: int | None
    size: int
    payload_bytes: int
    payload: bytes


@dataclass(slots=True)
class _Followed:
    """A device that somebody looks at, and the peer it is listened to at."""

    remote: Remote
    until: float
    kept: deque[tuple[int, float, bool, bytes, int]] = field(default_factory=lambda: deque(maxlen=MESSAGES_KEPT))
    count: int = 0

    def hear(self, inbound: bool, message: bytes) -> None:
        """Keep a message; stop listening when nobody has looked for long."""
        if time.monotonic() > self.until:
            self.stop()
            return
        self.count += 1
        self.kept.append((self.count, time.time(), inbound, message[:BYTES_KEPT], len(message)))

    def listen_at(self, remote: Remote) -> None:
        """Listen here, and there no more."""
        self.stop()
        self.remote = remote
        remote.listener = self.hear

    def stop(self) -> None:
        """Listen no more."""
        if self.remote.listener == self.hear:
            self.remote.listener = None


class MessageLog:
    """Logs of the devices that were looked at last."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._followed: dict[str, _Followed] = {}

    def of(self, endpoint: str, after: int = 0) -> tuple[LoggedMessage, ...]:
        """Return what a device and the server said to each other since it is looked at, from after a number on.

        Raises `UnknownDevice`. Of more than `DEVICES_AT_ONCE` the one that was looked at longest ago is forgotten.
        """
        remote = self._registry.get(endpoint).remote.wire
        followed = self._followed.pop(endpoint, None)
        if followed is None:
            followed = _Followed(remote, 0.0)
            if len(self._followed) >= DEVICES_AT_ONCE:
                self._followed.pop(next(iter(self._followed))).stop()
        self._followed[endpoint] = followed
        followed.until = time.monotonic() + SECONDS_WITHOUT_A_LOOK
        followed.listen_at(remote)
        return tuple(_read(*entry) for entry in followed.kept if entry[0] > after)

    def stop(self) -> None:
        """Listen to nobody any more."""
        for followed in self._followed.values():
            followed.stop()
        self._followed.clear()


def _read(number: int, at: float, inbound: bool, message: bytes, size: int) -> LoggedMessage:
    try:
        raw = parse(message)
    except MalformedMessage as error:
        return LoggedMessage(number, at, inbound, "?", str(error), 0, "", "", None, None, size, 0, b"")
    cut = size - len(message)
    return LoggedMessage(
        number=number,
        at=at,
        inbound=inbound,
        type=TYPES[raw.type],
        code=_code(raw.code),
        message_id=raw.message_id,
        token=raw.token.hex(),
        path=_path(raw),
        content_format=_uint(raw, CONTENT_FORMAT),
        observe=_uint(raw, OBSERVE),
        size=size,
        payload_bytes=len(raw.payload) + cut,
        payload=raw.payload[:SHOWN_PAYLOAD],
    )


def _code(code: int) -> str:
    """A method by its name, a response by its number such as `2.05`."""
    return METHODS.get(code, f"{code >> 5}.{code & 31:02}")


def _path(raw: RawMessage) -> str:
    parts = [value.decode("utf-8", "replace") for number, value in raw.options if number == URI_PATH]
    query = [value.decode("utf-8", "replace") for number, value in raw.options if number == URI_QUERY]
    path = "/" + "/".join(parts) if parts else ""
    return path + ("?" + "&".join(query) if query else "")


def _uint(raw: RawMessage, wanted: int) -> int | None:
    return next((decode_uint(value) for number, value in raw.options if number == wanted), None)
