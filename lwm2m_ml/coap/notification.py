"""A notification as the observer gets it, and may keep its acknowledgement back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.messages import to_message
from lwm2m_ml.coap.options import first_uint

if TYPE_CHECKING:
    import aiocoap

    from lwm2m_ml.coap.codec import RawMessage
    from lwm2m_ml.coap.observation import Observation


class Notification:
    """What an observed peer says, whole; options are decoded when they are asked for."""

    __slots__ = ("_observation", "_raw")

    def __init__(self, raw: RawMessage, observation: Observation) -> None:
        self._raw = raw
        self._observation = observation

    @property
    def code(self) -> int:
        """The response code."""
        return self._raw.code

    @property
    def is_successful(self) -> bool:
        """Whether it holds the resource; everything else ends the observation."""
        return self._raw.code < numbers.CONTINUE

    @property
    def payload(self) -> bytes:
        """The representation."""
        return self._raw.payload

    @property
    def content_format(self) -> int | None:
        """What the payload is."""
        return first_uint(self._raw.options, numbers.CONTENT_FORMAT)

    def message(self) -> aiocoap.Message:
        """The same for users of aiocoap."""
        raw = self._raw
        return to_message(raw.code, raw.options, raw.payload, self._observation.remote, raw.token)

    def keep_back(self) -> Callable[[bool], None]:
        """Do not acknowledge yet: call what is returned with True when it is kept, with False to be told again.

        Where nothing is acknowledged (non-confirmable messages, TCP), calling it does nothing.
        """
        if self._raw.receipt is not None:
            self._raw.receipt.kept_back = True
        return self._release

    def _release(self, accepted: bool) -> None:
        receipt = self._raw.receipt
        if receipt is not None:
            if not accepted:
                self._observation.expect_again(self._raw)
            receipt.release(accepted)
