"""What a delivery tells while it goes on and when it has ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lwm2m_ml.service.delivery.machine import Phase


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery is; `note` says it in a sentence while bytes go over the air."""

    phase: Phase
    ota_bytes: int
    ota_seconds: float | None
    note: str = ""


OnProgress = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery ended; `reason` says why it failed.

    `transfer_failed`: the bytes did not get there, and another way of moving them may go well.
    """

    delivered: bool
    reason: str = ""
    transfer_failed: bool = False
