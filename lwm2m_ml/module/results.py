"""States and results of ML Model (42770/x/11 and /12), and how a slot goes from one state to the next.

| state   | staged | rejected | activated | confirmed | failed | superseded | restored | erased |
|---------|--------|----------|-----------|-----------|--------|------------|----------|--------|
| empty   | staged | failed   |           |           |        |            |          | empty  |
| staged  |        | failed   | trial     |           |        |            |          | empty  |
| trial   |        |          |           | active    | failed | standby    |          |        |
| active  |        |          |           |           | failed | standby    |          |        |
| standby |        | failed   | trial     |           |        |            | active   | empty  |
| failed  |        | failed   |           |           |        |            |          | empty  |
"""

from collections.abc import Mapping
from enum import Enum, IntEnum, auto

from lwm2m_ml.errors import ConflictError


class ModuleState(IntEnum):
    """42770/x/11 State."""

    EMPTY = 0
    STAGED = 1
    TRIAL = 2
    ACTIVE = 3
    STANDBY = 4
    FAILED = 5


class ModuleResult(IntEnum):
    """42770/x/12 Result."""

    INITIAL = 0
    SUCCESS = 1
    SIGNATURE_INVALID = 2
    DIGEST_MISMATCH = 3
    WRONG_VENDOR_OR_CLASS = 4
    SEQUENCE_NUMBER_TOO_LOW = 5
    STORAGE_TOO_SMALL = 6
    WORKING_MEMORY_TOO_SMALL = 7
    OPERATOR_MISSING = 8
    RUNTIME_VERSION_MISMATCH = 9
    DELTA_BASE_MISMATCH = 10
    DECODING_FAILED = 11
    DECRYPTION_FAILED = 12
    SELF_TEST_MISMATCH = 13
    LATENCY_LIMIT_PASSED = 14
    TRIAL_UNCONFIRMED = 15
    DRIFT_OR_FAILURE_LIMIT_PASSED = 16
    RESET_DURING_TRIAL = 17
    ROLLED_BACK_BY_SERVER = 18


class SlotEvent(Enum):
    """What happens to a module slot."""

    STAGED = auto()
    """A package that passed every check lies in the slot."""
    REJECTED = auto()
    """What lies in the slot must not run."""
    ACTIVATED = auto()
    """The module takes over, on trial."""
    CONFIRMED = auto()
    """The server found the trial good; only now the sequence floor rises."""
    FAILED = auto()
    """A limit was passed, the device was reset, the trial ran out or the server rolled back."""
    SUPERSEDED = auto()
    """Another slot's module takes over."""
    RESTORED = auto()
    """The module that had taken over failed; this one runs again."""
    ERASED = auto()
    """The slot is free."""


TRANSITIONS: Mapping[tuple[ModuleState, SlotEvent], ModuleState] = {
    (ModuleState.EMPTY, SlotEvent.STAGED): ModuleState.STAGED,
    (ModuleState.EMPTY, SlotEvent.REJECTED): ModuleState.FAILED,
    (ModuleState.EMPTY, SlotEvent.ERASED): ModuleState.EMPTY,
    (ModuleState.STAGED, SlotEvent.REJECTED): ModuleState.FAILED,
    (ModuleState.STAGED, SlotEvent.ACTIVATED): ModuleState.TRIAL,
    (ModuleState.STAGED, SlotEvent.ERASED): ModuleState.EMPTY,
    (ModuleState.TRIAL, SlotEvent.CONFIRMED): ModuleState.ACTIVE,
    (ModuleState.TRIAL, SlotEvent.FAILED): ModuleState.FAILED,
    (ModuleState.TRIAL, SlotEvent.SUPERSEDED): ModuleState.STANDBY,
    (ModuleState.ACTIVE, SlotEvent.FAILED): ModuleState.FAILED,
    (ModuleState.ACTIVE, SlotEvent.SUPERSEDED): ModuleState.STANDBY,
    (ModuleState.STANDBY, SlotEvent.REJECTED): ModuleState.FAILED,
    (ModuleState.STANDBY, SlotEvent.ACTIVATED): ModuleState.TRIAL,
    (ModuleState.STANDBY, SlotEvent.RESTORED): ModuleState.ACTIVE,
    (ModuleState.STANDBY, SlotEvent.ERASED): ModuleState.EMPTY,
    (ModuleState.FAILED, SlotEvent.REJECTED): ModuleState.FAILED,
    (ModuleState.FAILED, SlotEvent.ERASED): ModuleState.EMPTY,
}


def next_state(state: ModuleState, event: SlotEvent) -> ModuleState:
    """Return the state after `event`; raises ConflictError when the table has no such step."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise ConflictError(f"A slot in state {state.name.lower()} cannot be {event.name.lower()}")
    return following
