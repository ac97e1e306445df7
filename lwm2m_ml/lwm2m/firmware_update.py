"""Object 5, version 1.2 of the object: the firmware update state machine as a table (Core TS V1_2 Appendix E.6).

The machine is figure E.6.1-1 with the transitions of E.6.1: idle, downloading, downloaded, updating.
"""

from __future__ import annotations

import enum
from typing import Final

from lwm2m_ml.errors import ConflictError

OBJECT_ID: Final = 5


class Resource(enum.IntEnum):
    """The resources of the object."""

    PACKAGE = 0
    PACKAGE_URI = 1
    UPDATE = 2
    STATE = 3
    UPDATE_RESULT = 5
    PACKAGE_NAME = 6
    PACKAGE_VERSION = 7
    PROTOCOL_SUPPORT = 8
    DELIVERY_METHOD = 9
    CANCEL = 10
    SEVERITY = 11
    LAST_STATE_CHANGE_TIME = 12
    MAXIMUM_DEFER_PERIOD = 13
    AUTOMATIC_UPGRADE = 14


class State(enum.IntEnum):
    """State, /5/0/3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class UpdateResult(enum.IntEnum):
    """Update Result, /5/0/5."""

    INITIAL = 0
    SUCCESS = 1
    NOT_ENOUGH_STORAGE = 2
    OUT_OF_MEMORY = 3
    CONNECTION_LOST = 4
    INTEGRITY_CHECK_FAILED = 5
    UNSUPPORTED_PACKAGE_TYPE = 6
    INVALID_URI = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9
    CANCELLED = 10
    DEFERRED = 11

    @property
    def failed(self) -> bool:
        """Tell whether the result names an error; a deferred update is still to come, a cancelled one was wanted."""
        return UpdateResult.NOT_ENOUGH_STORAGE <= self <= UpdateResult.UNSUPPORTED_PROTOCOL


class Protocol(enum.IntEnum):
    """What a device can fetch packages with, instances of /5/0/8."""

    COAP = 0
    COAPS = 1
    HTTP = 2
    HTTPS = 3
    COAP_TCP = 4
    COAPS_TCP = 5


URI_SCHEMES: Final[dict[str, Protocol]] = {
    "coap": Protocol.COAP,
    "coaps": Protocol.COAPS,
    "http": Protocol.HTTP,
    "https": Protocol.HTTPS,
    "coap+tcp": Protocol.COAP_TCP,
    "coaps+tcp": Protocol.COAPS_TCP,
}
"""The scheme of a package address and the protocol a device needs for it."""


class DeliveryMethod(enum.IntEnum):
    """How a device takes packages, /5/0/9."""

    PULL = 0
    PUSH = 1
    BOTH = 2


class Severity(enum.IntEnum):
    """How urgent a package is, /5/0/11."""

    CRITICAL = 0
    MANDATORY = 1
    OPTIONAL = 2


class Event(enum.Enum):
    """What moves the machine."""

    PUSH_BEGINS = "the first block is written to Package"
    URI_WRITTEN = "an address is written to Package URI"
    DOWNLOAD_COMPLETES = "the package has arrived and its integrity is verified"
    DOWNLOAD_FAILS = "the transfer is broken off or the package is refused"
    UPDATE_EXECUTED = "Update has been executed"
    UPDATE_DEFERRED = "Update has been executed and the user defers it"
    UPDATE_SUCCEEDS = "the new firmware runs"
    UPDATE_FAILS = "the update failed and the package is gone"
    UPDATE_FAILS_RETRYABLY = "the update failed and the package is kept for another attempt"
    CANCELLED = "Cancel has been executed"
    RESET = "Package or Package URI has been written empty"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.IDLE, Event.PUSH_BEGINS): State.DOWNLOADING,
    (State.IDLE, Event.URI_WRITTEN): State.DOWNLOADING,
    (State.IDLE, Event.RESET): State.IDLE,
    # An address that cannot be used fails before anything is fetched.
    (State.IDLE, Event.DOWNLOAD_FAILS): State.IDLE,
    (State.DOWNLOADING, Event.DOWNLOAD_COMPLETES): State.DOWNLOADED,
    (State.DOWNLOADING, Event.DOWNLOAD_FAILS): State.IDLE,
    (State.DOWNLOADING, Event.CANCELLED): State.IDLE,
    (State.DOWNLOADING, Event.RESET): State.IDLE,
    (State.DOWNLOADED, Event.UPDATE_EXECUTED): State.UPDATING,
    (State.DOWNLOADED, Event.UPDATE_DEFERRED): State.DOWNLOADED,
    (State.DOWNLOADED, Event.CANCELLED): State.IDLE,
    (State.DOWNLOADED, Event.RESET): State.IDLE,
    (State.UPDATING, Event.UPDATE_SUCCEEDS): State.IDLE,
    # Either is allowed, "depending on the underlying reason of update failure" (State, /5/0/3).
    (State.UPDATING, Event.UPDATE_FAILS): State.IDLE,
    (State.UPDATING, Event.UPDATE_FAILS_RETRYABLY): State.DOWNLOADED,
}
"""State and event give the next state; what is missing is not allowed."""

RESULTS: Final[dict[Event, UpdateResult]] = {
    Event.PUSH_BEGINS: UpdateResult.INITIAL,
    Event.URI_WRITTEN: UpdateResult.INITIAL,
    Event.DOWNLOAD_COMPLETES: UpdateResult.INITIAL,
    Event.UPDATE_EXECUTED: UpdateResult.INITIAL,
    Event.UPDATE_DEFERRED: UpdateResult.DEFERRED,
    Event.UPDATE_SUCCEEDS: UpdateResult.SUCCESS,
    Event.UPDATE_FAILS: UpdateResult.UPDATE_FAILED,
    Event.UPDATE_FAILS_RETRYABLY: UpdateResult.UPDATE_FAILED,
    Event.CANCELLED: UpdateResult.CANCELLED,
    Event.RESET: UpdateResult.INITIAL,
}
"""The result an event leaves, where the specification fixes one; a failed download names its own."""

EXECUTABLE: Final[dict[Resource, frozenset[State]]] = {
    Resource.UPDATE: frozenset({State.DOWNLOADED}),
    Resource.CANCEL: frozenset({State.DOWNLOADING, State.DOWNLOADED}),
}
"""In which states a device accepts each Execute; elsewhere it answers 4.05 Method Not Allowed."""

WRITABLE: Final[dict[Resource, frozenset[State]]] = {
    Resource.PACKAGE: frozenset({State.IDLE, State.DOWNLOADING}),
    Resource.PACKAGE_URI: frozenset({State.IDLE}),
}
"""In which states a device accepts a package or an address; a reset (empty) is accepted in all but updating."""

RESET_URI: Final = ""
"""Written to Package URI it resets the machine."""

RESET_PACKAGE: Final = b"\x00"
"""Written to Package it resets the machine."""


class FirmwareStateError(ConflictError):
    """An event does not fit the state a firmware update is in."""


def next_state(state: State, event: Event) -> State:
    """Return the state after an event, or raise `FirmwareStateError`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise FirmwareStateError(
            f"A firmware update in state {state.name} cannot go on when {event.value}",
            hint="Reset it with an empty Package URI, or wait for its state",
        )
    return following


def reachable(state: State) -> frozenset[State]:
    """Return the states that one event can lead to; an observer that misses some sees steps over several."""
    return frozenset(following for (before, _), following in TRANSITIONS.items() if before is state)
