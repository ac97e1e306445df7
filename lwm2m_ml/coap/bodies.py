"""Response bodies whose further blocks will be asked for, when making them again would be wrong (RFC 7959 §2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.assembly import Key, operation_key
from lwm2m_ml.coap.options import without

if TYPE_CHECKING:
    from lwm2m_ml.coap.fast import FastRequest
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.responses import Response
    from lwm2m_ml.coap.settings import CoapSettings

REQUEST_TAG = frozenset({numbers.REQUEST_TAG})


class ResponseBodies:
    """The last few large answers, for as long as a block-wise transfer lasts; oldest ones give way."""

    __slots__ = ("_bodies", "_bytes", "_now", "_settings")

    def __init__(self, settings: CoapSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._bodies: dict[tuple[Remote, Key], tuple[float, Response]] = {}
        self._bytes = 0

    def keep(self, request: FastRequest, response: Response) -> None:
        """Remember the whole answer to a request."""
        key = self._key(request)
        self._drop(key)
        self._bodies[key] = (self._now(), response)
        self._bytes += len(response.payload)
        self._expire()

    def find(self, request: FastRequest) -> Response | None:
        """The whole answer whose block is asked for."""
        self._expire()
        found = self._bodies.get(self._key(request))
        return None if found is None else found[1]

    def _expire(self) -> None:
        oldest = self._now() - self._settings.assembly_lifetime
        while self._bodies:
            key = next(iter(self._bodies))
            if self._bodies[key][0] >= oldest and self._bytes <= self._settings.assembly_bytes:
                return
            self._drop(key)

    def _drop(self, key: tuple[Remote, Key]) -> None:
        dropped = self._bodies.pop(key, None)
        if dropped is not None:
            self._bytes -= len(dropped[1].payload)

    def _key(self, request: FastRequest) -> tuple[Remote, Key]:
        return request.remote, operation_key(request.code, without(request.options, REQUEST_TAG))

    def __len__(self) -> int:
        return len(self._bodies)
