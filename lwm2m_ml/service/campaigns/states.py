"""The two state machines of a campaign, as tables: of the campaign itself, and of each of its devices.

A campaign opens its phases one after the other. A phase whose devices have all come to an end is *soaked*: its devices
are watched at work until the gates pass, and then, perhaps after an approval, the next phase opens.

    RUNNING → SOAKING → (AWAITING_APPROVAL) → RUNNING → … → FINISHED

Whatever an operator may want and whatever may happen in a state is in `TABLE`; what is not changes nothing. Every state
that is not final has a row for OVERDUE, so none can last for ever.
"""

from collections.abc import Mapping
from enum import StrEnum


class CampaignState(StrEnum):
    """Where a campaign stands."""

    RUNNING = "running"
    SOAKING = "soaking"
    AWAITING_APPROVAL = "awaiting approval"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    ABORTING = "aborting"
    ROLLING_BACK = "rolling back"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled back"

    @property
    def final(self) -> bool:
        """Whether nothing more happens."""
        return self in _FINAL


_FINAL = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED, CampaignState.ROLLED_BACK})


class CampaignEvent(StrEnum):
    """What happens to a campaign."""

    PHASE_ENDED = "every device of the open phases came to an end"
    PASSED = "the gates passed"
    PASSED_UNAPPROVED = "the gates passed, the next phase needs an approval"
    PASSED_LAST = "the gates of the last phase passed"
    DOUBTED = "something is not as it should be"
    CONDEMNED = "the model must not stay"
    OVERDUE = "the time of this state ran out"
    SETTLED = "no device is on its way any more"
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    CANCEL_HARD = "cancel hard"
    ROLL_BACK = "roll back"


class CampaignAction(StrEnum):
    """What is done besides the change of state."""

    NONE = "nothing"
    OPEN_NEXT = "open the next phase"
    FORGIVE = "count failures anew"
    EXPIRE = "give up devices that are not at an end"
    WITHDRAW = "start no further device"
    ABORT = "stop devices that are on their way"
    TAKE_BACK = "take the model back from every device"


_S, _E, _A = CampaignState, CampaignEvent, CampaignAction

_OPERATOR: Mapping[CampaignEvent, tuple[CampaignState, CampaignAction]] = {
    _E.CANCEL: (_S.CANCELLING, _A.WITHDRAW),
    _E.CANCEL_HARD: (_S.ABORTING, _A.ABORT),
    _E.ROLL_BACK: (_S.ROLLING_BACK, _A.TAKE_BACK),
    _E.CONDEMNED: (_S.ROLLING_BACK, _A.TAKE_BACK),
}
"""What may happen as long as a campaign goes forward."""

TABLE: Mapping[tuple[CampaignState, CampaignEvent], tuple[CampaignState, CampaignAction]] = {
    (_S.RUNNING, _E.PHASE_ENDED): (_S.SOAKING, _A.NONE),
    (_S.RUNNING, _E.DOUBTED): (_S.PAUSED, _A.NONE),
    (_S.RUNNING, _E.PAUSE): (_S.PAUSED, _A.NONE),
    (_S.RUNNING, _E.OVERDUE): (_S.RUNNING, _A.EXPIRE),
    (_S.SOAKING, _E.PASSED): (_S.RUNNING, _A.OPEN_NEXT),
    (_S.SOAKING, _E.PASSED_UNAPPROVED): (_S.AWAITING_APPROVAL, _A.NONE),
    (_S.SOAKING, _E.PASSED_LAST): (_S.FINISHED, _A.NONE),
    (_S.SOAKING, _E.DOUBTED): (_S.PAUSED, _A.NONE),
    (_S.SOAKING, _E.PAUSE): (_S.PAUSED, _A.NONE),
    (_S.SOAKING, _E.OVERDUE): (_S.PAUSED, _A.NONE),
    (_S.AWAITING_APPROVAL, _E.APPROVE): (_S.RUNNING, _A.OPEN_NEXT),
    (_S.AWAITING_APPROVAL, _E.PAUSE): (_S.PAUSED, _A.NONE),
    (_S.AWAITING_APPROVAL, _E.OVERDUE): (_S.CANCELLING, _A.WITHDRAW),
    (_S.PAUSED, _E.RESUME): (_S.RUNNING, _A.FORGIVE),
    (_S.PAUSED, _E.OVERDUE): (_S.CANCELLING, _A.WITHDRAW),
    (_S.CANCELLING, _E.SETTLED): (_S.CANCELLED, _A.NONE),
    (_S.CANCELLING, _E.CANCEL_HARD): (_S.ABORTING, _A.ABORT),
    (_S.CANCELLING, _E.ROLL_BACK): (_S.ROLLING_BACK, _A.TAKE_BACK),
    (_S.CANCELLING, _E.OVERDUE): (_S.CANCELLING, _A.EXPIRE),
    (_S.ABORTING, _E.SETTLED): (_S.CANCELLED, _A.NONE),
    (_S.ABORTING, _E.ROLL_BACK): (_S.ROLLING_BACK, _A.TAKE_BACK),
    (_S.ABORTING, _E.OVERDUE): (_S.ABORTING, _A.EXPIRE),
    (_S.ROLLING_BACK, _E.SETTLED): (_S.ROLLED_BACK, _A.NONE),
    (_S.ROLLING_BACK, _E.OVERDUE): (_S.ROLLING_BACK, _A.EXPIRE),
} | {
    (state, event): row
    for state in (_S.RUNNING, _S.SOAKING, _S.AWAITING_APPROVAL, _S.PAUSED)
    for event, row in _OPERATOR.items()
}


# What a state goes on with when the server starts anew: a crash may have come between the step and what follows.
UNFINISHED_ACTIONS: Mapping[CampaignState, CampaignAction] = {
    _S.CANCELLING: _A.WITHDRAW,
    _S.ABORTING: _A.ABORT,
    _S.ROLLING_BACK: _A.TAKE_BACK,
}


def step(state: CampaignState, event: CampaignEvent) -> tuple[CampaignState, CampaignAction] | None:
    """Return the next state and what to do; None when the event means nothing in this state."""
    return TABLE.get((state, event))


class DeviceState(StrEnum):
    """Where one device of a campaign stands."""

    PENDING = "pending"
    FITTING = "fitting"
    BUILDING = "building"
    DELIVERING = "delivering"
    TRIAL = "trial"
    RETRYING = "retrying"
    ACTIVE = "active"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to the device unless the campaign is rolled back."""
        return self in _ENDS

    @property
    def under_way(self) -> bool:
        """Whether something is being done with the device at this moment."""
        return self in _UNDER_WAY


_ENDS = frozenset(
    {
        DeviceState.ACTIVE,
        DeviceState.REFUSED,
        DeviceState.FAILED,
        DeviceState.CANCELLED,
        DeviceState.ROLLED_BACK,
    }
)
_UNDER_WAY = frozenset(
    {
        DeviceState.FITTING,
        DeviceState.BUILDING,
        DeviceState.DELIVERING,
        DeviceState.TRIAL,
        DeviceState.ROLLING_BACK,
    }
)
_D = DeviceState
_STOPPED = frozenset({_D.FAILED, _D.RETRYING, _D.CANCELLED, _D.ROLLING_BACK})

# Which state may follow which. `refused` is an honest no before anything was sent, `failed` everything that went wrong.
# A device that was building when the server stopped is fitted anew; one in trial goes back to `delivering` when the
# module turns out not to be there any more; an active one fails when it falls back by itself.
NEXT_STATES: Mapping[DeviceState, frozenset[DeviceState]] = {
    _D.PENDING: frozenset({_D.FITTING, _D.FAILED, _D.CANCELLED}),
    _D.FITTING: frozenset({_D.BUILDING, _D.REFUSED}) | _STOPPED,
    _D.BUILDING: frozenset({_D.FITTING, _D.DELIVERING, _D.REFUSED}) | _STOPPED,
    _D.DELIVERING: frozenset({_D.TRIAL, _D.ACTIVE}) | _STOPPED,
    _D.TRIAL: frozenset({_D.ACTIVE, _D.DELIVERING}) | _STOPPED,
    _D.RETRYING: frozenset({_D.FITTING, _D.DELIVERING, _D.TRIAL}) | _STOPPED,
    _D.ACTIVE: frozenset({_D.FAILED, _D.ROLLING_BACK}),
    _D.REFUSED: frozenset(),
    _D.FAILED: frozenset(),
    _D.CANCELLED: frozenset(),
    _D.ROLLING_BACK: frozenset({_D.ROLLED_BACK, _D.FAILED}),
    _D.ROLLED_BACK: frozenset(),
}
