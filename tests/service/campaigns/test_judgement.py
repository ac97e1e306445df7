"""What follows from a campaign's facts: whatever happens in whatever order, it comes to an end."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignDevice, Roll, with_state
from lwm2m_ml.service.campaigns.diagnosis import Surroundings, explain_campaign, explain_device
from lwm2m_ml.service.campaigns.failures import FailureKind, kind_of
from lwm2m_ml.service.campaigns.gates import Evidence, Verdict, VerdictKind, decide
from lwm2m_ml.service.campaigns.judgement import deadline, judge
from lwm2m_ml.service.campaigns.pace import Pace
from lwm2m_ml.service.campaigns.plan import Gates, InvalidPlan, Phase, Plan, Rate, Window, assign_phases
from lwm2m_ml.service.campaigns.states import (
    NEXT_STATES,
    UNFINISHED_ACTIONS,
    CampaignAction,
    CampaignEvent,
    CampaignState,
    DeviceState,
    step,
)

OPERATOR = [
    CampaignEvent.APPROVE,
    CampaignEvent.PAUSE,
    CampaignEvent.RESUME,
    CampaignEvent.CANCEL,
    CampaignEvent.CANCEL_HARD,
    CampaignEvent.ROLL_BACK,
]
PLAN = Plan(phases=(Phase("1"), Phase("3", approval=True), Phase()), gates=Gates(agreement=50.0))
KINDS = st.sampled_from(list(VerdictKind))


class Model:
    """A campaign driven by hand: the table, the judgement, and devices that do as chance will have it."""

    def __init__(self) -> None:
        phases = assign_phases(PLAN.phases, [f"d{number}" for number in range(6)])
        self.roll = Roll(CampaignDevice(endpoint, phase=phase) for endpoint, phase in phases.items())
        self.campaign = Campaign("c", "digits", "1", PLAN)
        self.now = 0.0

    def take(self, event: CampaignEvent) -> None:
        found = step(self.campaign.state, event)
        if found is None:
            return
        state, action = found
        stays = state is self.campaign.state and action is not CampaignAction.OPEN_NEXT
        self.campaign = dataclasses.replace(
            self.campaign,
            state=state,
            phase=self.campaign.phase + (action is CampaignAction.OPEN_NEXT),
            since=self.campaign.since if stays else self.now,
        )
        if action is CampaignAction.EXPIRE:
            self.end_all(self.campaign.phase if state not in UNFINISHED_ACTIONS else 9)

    def end_all(self, up_to: int) -> None:
        for device in list(self.roll.rows.values()):
            if not device.state.final and device.phase <= up_to:
                self.roll.put(with_state(device, DeviceState.FAILED, self.now, "out of time"))

    def move(self, endpoint: str, state: DeviceState) -> None:
        device = self.roll.rows[endpoint]
        if state in NEXT_STATES[device.state]:
            self.roll.put(with_state(device, state, self.now))

    def look(self, kind: VerdictKind) -> None:
        judgement = judge(self.campaign, self.roll, Verdict(kind, "because"), self.now)
        if judgement is not None:
            self.take(judgement.event)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from([f"d{n}" for n in range(6)]), st.sampled_from(list(DeviceState))),
        st.tuples(st.just("operator"), st.sampled_from(OPERATOR)),
        st.tuples(st.just("look"), KINDS),
        st.tuples(st.just("pass"), st.floats(0, 1e6)),
    ),
    max_size=60,
)


@given(STEPS, KINDS)
def test_whatever_happens_every_campaign_ends_and_says_what_it_waits_for(steps: list[Any], kind: VerdictKind) -> None:
    model = Model()
    for what, *rest in steps:
        if what == "move":
            model.move(rest[0], rest[1])
        elif what == "operator":
            model.take(rest[0])
        elif what == "pass":
            model.now += rest[0]
        else:
            model.look(rest[0])
        if not model.campaign.finished:
            assert explain_campaign(model.campaign, model.roll, Verdict(kind), model.now)
            assert deadline(model.campaign) < float("inf")
        for device in model.roll.rows.values():
            around = Surroundings(awake=False)
            assert device.state.final or explain_device(model.campaign, device, around, model.now)
    for _ in range(20):
        if model.campaign.finished:
            break
        model.look(kind)
        model.now = max(model.now, deadline(model.campaign))
        model.look(kind)
    assert model.campaign.finished
    assert model.campaign.state in {CampaignState.FINISHED, CampaignState.CANCELLED, CampaignState.ROLLED_BACK}


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(1, 300))
def test_every_device_has_a_phase_and_the_first_one_has_the_share_it_says(shares: list[int], devices: int) -> None:
    phases = [Phase(f"{share}%") for share in sorted(shares)]
    endpoints = [f"d{number}" for number in range(devices)]
    assigned = assign_phases(phases, endpoints, "seed")
    assert list(assigned) == endpoints
    if len(phases) > 1:
        assert sum(phase == 0 for phase in assigned.values()) == phases[0].reach(devices)
    assert assign_phases(phases, endpoints, "seed") == assigned


def test_a_gate_names_the_worst_device_and_an_open_one_what_is_missing() -> None:
    gates = Gates(latency=5.0, results=10, devices=2)
    slow = Evidence("slow", 20, latency=9.0)
    assert decide(gates, {"slow": slow}, 5).kind is VerdictKind.OPEN
    found = decide(gates, {"slow": slow, "fine": Evidence("fine", 20, latency=1.0)}, 5)
    assert found.kind is VerdictKind.FAILED
    assert found.reason == "latency of slow is 9 ms, the gate allows 5 ms (1 of 2 devices are beyond it)"
    assert decide(Gates(drift=0.2, results=1), {"a": Evidence("a", 5)}, 1).reason == "no device tells its drift score"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("The device has not answered for 600 s: it is off", FailureKind.UNREACHABLE),
        ("connection lost while downloading (Firmware Update result 4)", FailureKind.INTERRUPTED),
        ("no block fetched for 30 s after Package URI was written; device last seen 3 s ago", FailureKind.STUCK),
        ("signature invalid (result 2)", FailureKind.NOT_TRUSTED),
        ("self test mismatch (result 13)", FailureKind.TRIAL),
        ("expected version 2, the device reports 1", FailureKind.WRONG_VERSION),
        ("something new", FailureKind.OTHER),
    ],
)
def test_a_reason_tells_the_kind_of_failure(reason: str, kind: FailureKind) -> None:
    assert kind_of(reason) is kind


def test_a_rate_gives_every_device_its_place_in_time() -> None:
    pace = Pace((), Rate(devices_per_minute=6, bytes_per_second=1_000))
    assert pace.may_begin_at(100.0) == 100.0
    pace.begin(100.0)
    assert pace.may_begin_at(100.0) == 110.0
    assert "6 devices a minute are allowed" in pace.why_not(100.0)
    assert [pace.reserve(5_000, 100.0), pace.reserve(5_000, 100.0)] == [100.0, 105.0]


def test_a_window_over_midnight_is_open_until_the_morning_after() -> None:
    window = Window("22:00", "04:00", days=("mon",))
    monday = 1_767_571_200.0  # Monday 2026-01-05, midnight UTC
    hours = {hour: window.is_open(monday + hour * 3_600) for hour in (3, 21, 22, 27, 28, 47)}
    assert hours == {3: False, 21: False, 22: True, 27: True, 28: False, 47: False}
    assert window.opens(monday + 3_600) == monday + 22 * 3_600


@pytest.mark.parametrize(
    "document",
    [
        {"phases": []},
        {"phases": [{"size": "200%"}]},
        {"windows": [{"start": "25:00", "end": "01:00"}]},
        {"windows": [{"start": "01:00", "end": "02:00", "zone": "Mars/Base"}]},
        {"gates": {"agreement": 120}},
        {"rate": {"at_once": 0}},
    ],
)
def test_a_plan_that_cannot_be_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan):
        Plan.from_json(document)


def test_a_plan_survives_the_store() -> None:
    plan = dataclasses.replace(PLAN, windows=(Window("22:00", "04:00"),), joiners=True)
    assert Plan.from_json(plan.to_json()) == plan
