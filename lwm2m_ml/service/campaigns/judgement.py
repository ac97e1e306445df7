"""What follows from how a campaign stands: pure functions of its facts, the time, and what was seen of its devices."""

from dataclasses import dataclass

from lwm2m_ml.service.campaigns.campaign import Campaign, Roll
from lwm2m_ml.service.campaigns.gates import Verdict, VerdictKind
from lwm2m_ml.service.campaigns.plan import OnErrors
from lwm2m_ml.service.campaigns.states import CampaignEvent, CampaignState, DeviceState

_UNDER_WAY = tuple(state for state in DeviceState if state.under_way)


@dataclass(frozen=True, slots=True)
class Judgement:
    """An event that is due, and the sentence for the story."""

    event: CampaignEvent
    reason: str = ""


def judge(campaign: Campaign, roll: Roll, verdict: Verdict, now: float) -> Judgement | None:
    """Return the event that is due now, if any."""
    if campaign.finished:
        return None
    look = {
        CampaignState.RUNNING: _running,
        CampaignState.SOAKING: _soaking,
        CampaignState.CANCELLING: _settling,
        CampaignState.ABORTING: _settling,
        CampaignState.ROLLING_BACK: _settling,
    }.get(campaign.state)
    found = look(campaign, roll, verdict, now) if look else None
    if found is None and now >= deadline(campaign):
        return Judgement(CampaignEvent.OVERDUE, f"{campaign.state} for longer than {_allowed(campaign):,.0f} s")
    return found


def deadline(campaign: Campaign) -> float:
    """Return when the present state ends by itself, in Unix seconds; only final states last for ever."""
    return float("inf") if campaign.finished else campaign.since + _allowed(campaign)


def next_look(campaign: Campaign, now: float) -> float:
    """Return when time alone may change something next, in Unix seconds."""
    if campaign.state is CampaignState.SOAKING:
        soaked = campaign.since + campaign.plan.phases[campaign.phase].soak
        return soaked if soaked > now else deadline(campaign)
    return deadline(campaign)


def _allowed(campaign: Campaign) -> float:
    limits, phase = campaign.plan.deadlines, campaign.plan.phases[campaign.phase]
    return {
        CampaignState.RUNNING: limits.phase,
        CampaignState.SOAKING: phase.soak + limits.evidence,
        CampaignState.AWAITING_APPROVAL: limits.approval,
        CampaignState.PAUSED: limits.paused,
        CampaignState.CANCELLING: limits.cancelling,
        CampaignState.ABORTING: limits.cancelling,
        CampaignState.ROLLING_BACK: limits.rolling_back,
    }[campaign.state]


def _running(campaign: Campaign, roll: Roll, verdict: Verdict, _now: float) -> Judgement | None:
    if verdict.kind is VerdictKind.FAILED:
        return Judgement(CampaignEvent.CONDEMNED, verdict.reason)
    errors = _too_many_errors(campaign, roll)
    if errors:
        condemned = campaign.plan.thresholds.on_errors is OnErrors.ROLL_BACK
        return Judgement(CampaignEvent.CONDEMNED if condemned else CampaignEvent.DOUBTED, errors)
    if not roll.ended(campaign.phase):
        return None
    missed = _too_few_successes(campaign, roll)
    if missed:
        return Judgement(CampaignEvent.DOUBTED, missed)
    active = roll.count(DeviceState.ACTIVE, up_to=campaign.phase)
    return Judgement(CampaignEvent.PHASE_ENDED, f"{active} of {roll.total(campaign.phase)} devices are active")


def _soaking(campaign: Campaign, roll: Roll, verdict: Verdict, now: float) -> Judgement | None:
    if verdict.kind is VerdictKind.FAILED:
        return Judgement(CampaignEvent.CONDEMNED, verdict.reason)
    phase = campaign.plan.phases[campaign.phase]
    if now < campaign.since + phase.soak or verdict.kind is VerdictKind.OPEN:
        return None
    if campaign.phase == campaign.last_phase:
        return Judgement(CampaignEvent.PASSED_LAST, verdict.reason)
    following = campaign.plan.phases[campaign.phase + 1]
    event = CampaignEvent.PASSED_UNAPPROVED if following.approval else CampaignEvent.PASSED
    return Judgement(event, verdict.reason)


def _settling(campaign: Campaign, roll: Roll, _verdict: Verdict, _now: float) -> Judgement | None:
    if roll.count(*_UNDER_WAY, DeviceState.RETRYING):
        return None
    return Judgement(CampaignEvent.SETTLED)


def _too_many_errors(campaign: Campaign, roll: Roll) -> str:
    """Look at the failures that nobody has forgiven, in percent of what ended or failed."""
    limits = campaign.plan.thresholds
    failed = roll.count(DeviceState.FAILED) - campaign.forgiven
    judged = failed + roll.count(DeviceState.ACTIVE)
    if failed <= 0 or judged < limits.least or 100 * failed / judged <= limits.errors:
        return ""
    return f"{failed} of {judged} devices failed, {limits.errors:g} % are allowed"


def _too_few_successes(campaign: Campaign, roll: Roll) -> str:
    limits = campaign.plan.thresholds
    active = roll.count(DeviceState.ACTIVE, up_to=campaign.phase)
    tried = active + max(0, roll.count(DeviceState.FAILED, up_to=campaign.phase) - campaign.forgiven)
    if not tried or 100 * active / tried >= limits.success:
        return ""
    return f"only {active} of {tried} devices became active, {limits.success:g} % are needed"
