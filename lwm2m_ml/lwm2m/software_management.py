"""Object 9: the two state machines of a software package, as tables (OMA-TS-LWM2M_SwMgmt-V1_0_2 §5.1).

The installation machine (§5.1.2, figure 2) leads a package from the first byte to installed software; the activation
machine (§5.1.3, figure 3) switches installed software on and off. Both belong to one instance of the object.
"""

from __future__ import annotations

import enum
from typing import Final

from lwm2m_ml.errors import ConflictError

OBJECT_ID: Final = 9


class Resource(enum.IntEnum):
    """The resources of the object."""

    PACKAGE_NAME = 0
    PACKAGE_VERSION = 1
    PACKAGE = 2
    PACKAGE_URI = 3
    INSTALL = 4
    CHECKPOINT = 5
    UNINSTALL = 6
    UPDATE_STATE = 7
    UPDATE_SUPPORTED_OBJECTS = 8
    UPDATE_RESULT = 9
    ACTIVATE = 10
    DEACTIVATE = 11
    ACTIVATION_STATE = 12
    PACKAGE_SETTINGS = 13
    USER_NAME = 14
    PASSWORD = 15
    STATUS_REASON = 16
    COMPONENT_LINK = 17
    COMPONENT_TREE_LENGTH = 18


class UpdateState(enum.IntEnum):
    """Update State, /9/x/7."""

    INITIAL = 0
    DOWNLOAD_STARTED = 1
    DOWNLOADED = 2
    DELIVERED = 3
    INSTALLED = 4


class UpdateResult(enum.IntEnum):
    """Update Result, /9/x/9."""

    INITIAL = 0
    DOWNLOADING = 1
    INSTALLED = 2
    DOWNLOADED_AND_VERIFIED = 3
    NOT_ENOUGH_STORAGE = 50
    OUT_OF_MEMORY = 51
    CONNECTION_LOST = 52
    INTEGRITY_CHECK_FAILED = 53
    UNSUPPORTED_PACKAGE_TYPE = 54
    INVALID_URI = 56
    DEVICE_ERROR = 57
    INSTALLATION_FAILED = 58
    UNINSTALLATION_FAILED = 59

    @property
    def failed(self) -> bool:
        """Tell whether the result names an error."""
        return self >= UpdateResult.NOT_ENOUGH_STORAGE


class Uninstall(enum.IntEnum):
    """The argument of Uninstall: remove the software, or make ready for its update (§5.1.2.5)."""

    REMOVE = 0
    FOR_UPDATE = 1


class Event(enum.Enum):
    """What moves the installation machine."""

    DOWNLOAD_BEGINS = "the first block of a package is written or fetched"
    DOWNLOAD_COMPLETES = "the last block has arrived"
    DOWNLOAD_FAILS = "the transfer is broken off"
    PACKAGE_ACCEPTED = "integrity and fitness of the package are verified"
    PACKAGE_REFUSED = "the package is not acceptable"
    INSTALL_SUCCEEDS = "Install has been executed and succeeded"
    INSTALL_FAILS = "Install has been executed and failed"
    UNINSTALL_SUCCEEDS = "Uninstall has been executed and succeeded"
    UNINSTALL_FAILS = "Uninstall has been executed and failed"
    UNINSTALL_FOR_UPDATE = "Uninstall has been executed with the argument 1"


TRANSITIONS: Final[dict[tuple[UpdateState, Event], UpdateState]] = {
    # §5.1.2.1
    (UpdateState.INITIAL, Event.DOWNLOAD_BEGINS): UpdateState.DOWNLOAD_STARTED,
    # A package address that cannot be used fails before anything is fetched.
    (UpdateState.INITIAL, Event.DOWNLOAD_FAILS): UpdateState.INITIAL,
    # §5.1.2.2
    (UpdateState.DOWNLOAD_STARTED, Event.DOWNLOAD_COMPLETES): UpdateState.DOWNLOADED,
    (UpdateState.DOWNLOAD_STARTED, Event.DOWNLOAD_FAILS): UpdateState.INITIAL,
    (UpdateState.DOWNLOAD_STARTED, Event.PACKAGE_REFUSED): UpdateState.INITIAL,
    # §5.1.2.3
    (UpdateState.DOWNLOADED, Event.PACKAGE_ACCEPTED): UpdateState.DELIVERED,
    (UpdateState.DOWNLOADED, Event.PACKAGE_REFUSED): UpdateState.INITIAL,
    # §5.1.2.4
    (UpdateState.DELIVERED, Event.INSTALL_SUCCEEDS): UpdateState.INSTALLED,
    (UpdateState.DELIVERED, Event.INSTALL_FAILS): UpdateState.DELIVERED,
    (UpdateState.DELIVERED, Event.UNINSTALL_SUCCEEDS): UpdateState.INITIAL,
    (UpdateState.DELIVERED, Event.UNINSTALL_FAILS): UpdateState.DELIVERED,
    # §5.1.2.5
    (UpdateState.INSTALLED, Event.UNINSTALL_SUCCEEDS): UpdateState.INITIAL,
    (UpdateState.INSTALLED, Event.UNINSTALL_FAILS): UpdateState.INSTALLED,
    (UpdateState.INSTALLED, Event.UNINSTALL_FOR_UPDATE): UpdateState.INITIAL,
}
"""State and event give the next state; what is missing is not allowed."""

RESULTS: Final[dict[Event, UpdateResult]] = {
    Event.DOWNLOAD_BEGINS: UpdateResult.DOWNLOADING,
    Event.PACKAGE_ACCEPTED: UpdateResult.DOWNLOADED_AND_VERIFIED,
    Event.INSTALL_SUCCEEDS: UpdateResult.INSTALLED,
    Event.INSTALL_FAILS: UpdateResult.INSTALLATION_FAILED,
    Event.UNINSTALL_SUCCEEDS: UpdateResult.INITIAL,
    Event.UNINSTALL_FAILS: UpdateResult.UNINSTALLATION_FAILED,
    Event.UNINSTALL_FOR_UPDATE: UpdateResult.INITIAL,
}
"""The result an event leaves, where the specification fixes one; failures of download and package name their own."""

EXECUTABLE: Final[dict[Resource, frozenset[UpdateState]]] = {
    Resource.INSTALL: frozenset({UpdateState.DELIVERED}),
    Resource.UNINSTALL: frozenset({UpdateState.DELIVERED, UpdateState.INSTALLED}),
    Resource.ACTIVATE: frozenset({UpdateState.INSTALLED}),
    Resource.DEACTIVATE: frozenset({UpdateState.INSTALLED}),
}
"""In which states a device accepts each Execute; elsewhere it answers 4.05 Method Not Allowed."""


class ActivationState(enum.IntEnum):
    """Activation State, /9/x/12, a boolean on the wire."""

    INACTIVE = 0
    ACTIVE = 1


class ActivationEvent(enum.Enum):
    """What moves the activation machine."""

    ACTIVATED = "Activate has been executed"
    DEACTIVATED = "Deactivate has been executed"
    REMOVED = "the software is uninstalled or is being replaced"


ACTIVATION_TRANSITIONS: Final[dict[tuple[ActivationState, ActivationEvent], ActivationState]] = {
    # §5.1.3
    (ActivationState.INACTIVE, ActivationEvent.ACTIVATED): ActivationState.ACTIVE,
    (ActivationState.ACTIVE, ActivationEvent.ACTIVATED): ActivationState.ACTIVE,
    (ActivationState.ACTIVE, ActivationEvent.DEACTIVATED): ActivationState.INACTIVE,
    (ActivationState.INACTIVE, ActivationEvent.DEACTIVATED): ActivationState.INACTIVE,
    (ActivationState.ACTIVE, ActivationEvent.REMOVED): ActivationState.INACTIVE,
    (ActivationState.INACTIVE, ActivationEvent.REMOVED): ActivationState.INACTIVE,
}
"""State and event give the next state of the activation machine."""


class SoftwareStateError(ConflictError):
    """An event does not fit the state a software package is in."""


def next_state(state: UpdateState, event: Event) -> UpdateState:
    """Return the state after an event, or raise `SoftwareStateError`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise SoftwareStateError(
            f"Software in state {state.name} cannot go on when {event.value}", hint="Uninstall it or wait for its state"
        )
    return following


def next_activation(state: ActivationState, event: ActivationEvent) -> ActivationState:
    """Return the activation state after an event; every event is allowed in every state."""
    return ACTIVATION_TRANSITIONS[state, event]


def reachable(state: UpdateState) -> frozenset[UpdateState]:
    """Return the states that one event can lead to; an observer that misses some sees steps over several."""
    return frozenset(following for (before, _), following in TRANSITIONS.items() if before is state)
