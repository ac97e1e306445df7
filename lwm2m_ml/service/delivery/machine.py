"""The vocabulary of deliveries: phases, events and actions that every road's table of transitions is made of.

A delivery is driven by what the device's own resources say, never by what the server believes it has sent: the driver
reads them, the road's `classify` turns them into one `Event`, and the road's table answers with the next phase and the
one thing to do. A combination that is not in the table changes nothing. Whatever interrupts a delivery (a power cut, a
reboot, a restart of the server) leads to `RESUMING`, from which every state of a device has a way on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lwm2m_ml.service.delivery.slots import SlotStatus


class Phase(StrEnum):
    """Where a delivery stands."""

    RESUMING = "resuming"
    CLEARING = "clearing"
    OFFERED = "offered"
    TRANSFER = "transfer"
    CHECKING = "checking"
    INSTALLING = "installing"
    DEFERRED = "deferred"
    ACTIVATING = "activating"
    DONE = "done"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more happens."""
        return self in {Phase.DONE, Phase.FAILED}


class Event(StrEnum):
    """What the device's resources say, or what happened to the device."""

    EMPTY = "holds nothing"
    TRANSFERRING = "downloads"
    FETCHED = "downloaded all, checks it"
    READY = "holds our module, checked, not installed"
    INSTALLING = "installs"
    DEFERRED = "holds our module, its user defers the update"
    INSTALLED = "holds our module, installed, not active"
    RUNNING = "runs our module"
    OCCUPIED = "holds something else"
    REFUSED = "refused, holds nothing"
    BROKEN = "failed, holds remains"
    LOST = "lost the connection while it downloaded"
    REBOOTED = "registered anew"
    STUCK = "nothing changed for too long"


class Action(StrEnum):
    """What the server does about it."""

    WAIT = "wait"
    CLEAR = "clear"
    OFFER = "offer"
    INSTALL = "install"
    ACTIVATE = "activate"
    FINISH = "finish"
    FAIL = "fail"


Table = Mapping[tuple[Phase, Event], tuple[Phase, Action]]


@dataclass(slots=True)
class Memory:
    """What a delivery remembers besides the device's own state; what is stale was there before the last offer."""

    offered: bool = False
    install_requested: bool = False
    stale_result: int | None = None
    stale_slot: SlotStatus | None = None


def step(table: Table, phase: Phase, event: Event) -> tuple[Phase, Action]:
    """Return the next phase and what to do; what the table does not name changes nothing."""
    if phase.final:
        return phase, Action.WAIT
    return table.get((phase, event), (phase, Action.WAIT))
