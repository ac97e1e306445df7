"""What campaigns are for: phases, thresholds, gates, roll-back, retries, sleepers, joiners, and what operators say."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.server.events import DeviceUpdated
from lwm2m_ml.service.campaigns.campaign import CampaignChanged
from lwm2m_ml.service.campaigns.plan import Deadlines, Gates, OnErrors, Phase, Plan, Rate, Retry, Thresholds, Window
from lwm2m_ml.service.campaigns.states import CampaignEvent, CampaignState, DeviceState
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.profile_keeper import DeviceProfiled
from tests.service.fake_loader import FakeSlot

Join = Callable[..., Any]
ONE_THEN_ALL = (Phase("1"), Phase("100%"))
WHO = "ann"


def told_by(package: bytes) -> tuple[str, str]:
    """The name and version in a package, which a device shows."""
    descriptor = inspect_package(package).descriptor
    return descriptor.model_name, descriptor.model_version


def states(snapshot: Any) -> dict[str, DeviceState]:
    return {device.endpoint: device.state for device in snapshot.devices}


async def test_a_canary_comes_first_and_the_rest_after_it(house: Any, join: Join) -> None:
    for endpoint in "abcdef":
        join(endpoint)
    began: list[str] = []

    async def note(event: CampaignChanged) -> None:
        if event.device is not None and event.device.state is DeviceState.FITTING:
            began.append(event.device.endpoint)

    house.bus.subscribe(CampaignChanged, note)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named(*"abcdef"), Plan(phases=ONE_THEN_ALL))
        ended = await house.finished(campaigns, started.campaign.id)
        story = await campaigns.story(started.campaign.id)
    (canary,) = [device.endpoint for device in started.devices if device.phase == 0]
    assert began[0] == canary
    assert set(states(ended).values()) == {DeviceState.ACTIVE}
    assert any("phase 2 opens" in note.text for note in story)


async def test_too_many_errors_pause_and_resume_forgives_them(house: Any, join: Join) -> None:
    join("a"), join("b", module_result=13), join("c")
    plan = Plan(phases=(Phase("2", endpoints=("a", "b")), Phase()), thresholds=Thresholds(errors=40.0))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named(*"abc"), plan)
        paused = await house.until(campaigns, started.campaign.id, CampaignState.PAUSED)
        assert "1 of " in paused.campaign.reason
        assert "40 % are allowed" in paused.campaign.reason
        assert states(paused)["c"] is DeviceState.PENDING
        await campaigns.command(started.campaign.id, CampaignEvent.RESUME, WHO)
        ended = await house.finished(campaigns, started.campaign.id)
        story = await campaigns.story(started.campaign.id)
    assert states(ended) == {"a": DeviceState.ACTIVE, "b": DeviceState.FAILED, "c": DeviceState.ACTIVE}
    assert [note.who for note in story if note.text.startswith("resume")] == [WHO]


async def test_errors_may_roll_back_instead(house: Any, join: Join) -> None:
    device = join("a")
    join("b", module_result=13)
    plan = Plan(phases=(Phase(),), thresholds=Thresholds(errors=40.0, least=2, on_errors=OnErrors.ROLL_BACK))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.ROLLED_BACK
    assert states(ended) == {"a": DeviceState.ROLLED_BACK, "b": DeviceState.FAILED}
    assert device.slots[0].state == 5


@pytest.mark.parametrize(
    ("gates", "fields", "why"),
    [
        (Gates(agreement=80.0, results=5), {"agreement": 12.5}, "feedback agrees with 12.5 % of the answers"),
        (Gates(latency=10.0, results=5), {"latency": 25.0}, "latency of a is 25 ms, the gate allows 10 ms"),
    ],
)
async def test_a_gate_on_what_the_model_does_rolls_back_with_the_reason(
    house: Any, join: Join, gates: Gates, fields: dict[str, Any], why: str
) -> None:
    device = join("a", **fields)
    join("b", **fields)
    plan = Plan(phases=(Phase(endpoints=("a",)), Phase()), gates=gates)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.ROLLED_BACK
    assert why in ended.campaign.reason
    assert states(ended) == {"a": DeviceState.ROLLED_BACK, "b": DeviceState.CANCELLED}
    assert ended.device("a").reason.startswith("runs no model; ")
    assert "/42770/0/14" in device.executed


async def test_a_roll_back_gives_the_former_module_back(house: Any, join: Join) -> None:
    device = join("a", model_of=told_by)
    await house.deploy("a")
    former = device.slots[0].digest
    content = await house.zoo.content(house.zoo.get("digits").smallest.digest)
    newer = await house.zoo.add("digits", "2.0.0", content, variant="other")
    device.agreement = 0.0
    plan = Plan(phases=(Phase(),), gates=Gates(agreement=50.0, results=5))
    async with house.open() as campaigns:
        started = await campaigns.create(newer, house.named("a"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert states(ended) == {"a": DeviceState.ROLLED_BACK}
    assert ended.device("a").before == "digits 1.0.0"
    assert [slot.digest for slot in device.slots if slot.state == 3] == [former]


async def test_gates_that_pass_finish_the_campaign_and_say_by_which_figures(house: Any, join: Join) -> None:
    join("a", agreement=99.0, latency=2.0)
    plan = Plan(phases=(Phase(),), gates=Gates(agreement=80.0, latency=5.0, failures=1.0, results=5))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.FINISHED
    assert (
        ended.campaign.reason == "gates passed: 1 devices, latency at most 2 ms, failures at most 0 %, agreement 99 %"
    )


async def test_without_evidence_a_campaign_pauses_when_its_time_is_up(house: Any, join: Join) -> None:
    join("a")
    plan = Plan(phases=(Phase(),), gates=Gates(agreement=80.0, results=5), deadlines=Deadlines(evidence=0.3))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), plan)
        await house.until(campaigns, started.campaign.id, CampaignState.SOAKING)
        assert "waits for evidence" in (await campaigns.overview(started.campaign.id)).diagnosis
        await house.until(campaigns, started.campaign.id, CampaignState.PAUSED)


async def test_a_phase_waits_for_its_approval_and_then_goes_on(house: Any, join: Join) -> None:
    join("a"), join("b")
    plan = Plan(phases=(Phase("1"), Phase(approval=True)))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        await house.until(campaigns, started.campaign.id, CampaignState.AWAITING_APPROVAL)
        with pytest.raises(ConflictError, match="means nothing in that state"):
            await campaigns.command(started.campaign.id, CampaignEvent.RESUME, WHO)
        await campaigns.command(started.campaign.id, CampaignEvent.APPROVE, WHO)
        ended = await house.finished(campaigns, started.campaign.id)
    assert set(states(ended).values()) == {DeviceState.ACTIVE}


async def test_an_approval_that_never_comes_cancels(house: Any, join: Join) -> None:
    join("a"), join("b")
    plan = Plan(phases=(Phase("1"), Phase(approval=True)), deadlines=Deadlines(approval=0.05))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.CANCELLED
    assert sorted(states(ended).values()) == [DeviceState.ACTIVE, DeviceState.CANCELLED]


async def test_a_device_is_tried_again_after_a_failure_that_may_pass(house: Any, join: Join) -> None:
    device = join("a", off_for=1_000_000)
    plan = Plan(phases=(Phase(),), retry=Retry(attempts=3, delay=0.05))

    async def recover(event: CampaignChanged) -> None:
        if event.device is not None and event.device.state is DeviceState.RETRYING:
            device.off_for = 0

    house.bus.subscribe(CampaignChanged, recover)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    row = ended.device("a")
    assert (row.state, row.attempts) == (DeviceState.ACTIVE, 2)


async def test_a_failure_that_is_not_on_the_list_is_final(house: Any, join: Join) -> None:
    join("a", module_result=13)
    plan = Plan(phases=(Phase(),), thresholds=Thresholds(errors=100.0), retry=Retry(attempts=3, delay=0.05))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert (ended.device("a").state, ended.device("a").attempts) == (DeviceState.FAILED, 1)


async def test_a_sleeping_device_is_waited_for_and_said_to_sleep(house: Any, join: Join) -> None:
    device = join("a", asleep=True)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), Plan(phases=(Phase(),)))
        await asyncio.sleep(0.1)
        row = (await campaigns.get(started.campaign.id)).device("a")
        assert row.state is DeviceState.PENDING
        assert "waits until the device wakes" in campaigns.diagnosis(started.campaign.id, row)
        device.asleep = False
        house.bus.publish(DeviceUpdated("a"))
        ended = await house.finished(campaigns, started.campaign.id)
    assert states(ended) == {"a": DeviceState.ACTIVE}


async def test_a_device_that_never_comes_ends_with_its_diagnosis(house: Any, join: Join) -> None:
    join("a", asleep=True), join("b")
    plan = Plan(phases=(Phase(),), thresholds=Thresholds(errors=100.0), deadlines=Deadlines(phase=0.3))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.device("a").state is DeviceState.FAILED
    assert ended.device("a").reason.startswith("out of time: waits until the device wakes")


async def test_a_joiner_takes_part_as_long_as_the_campaign_goes_on(house: Any, join: Join) -> None:
    join("a"), join("late")
    plan = Plan(phases=(Phase(soak=0.3),), joiners=True)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), Selection("all", ("a",)), plan)
        house.bus.publish(DeviceProfiled("late"))
        await house.bus.drain()
        ended = await house.finished(campaigns, started.campaign.id)
    assert states(ended) == {"a": DeviceState.ACTIVE, "late": DeviceState.ACTIVE}


async def test_a_soft_cancel_lets_devices_under_way_end(house: Any, join: Join) -> None:
    join("a"), join("b")
    plan = Plan(phases=(Phase(),), rate=Rate(at_once=1))
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a", "b"), plan)
        async with asyncio.timeout(10):
            while not any(device.state.under_way for device in (await campaigns.get(started.campaign.id)).devices):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await campaigns.command(started.campaign.id, CampaignEvent.CANCEL, WHO, "wrong model")
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.CANCELLED
    assert sorted(states(ended).values()) == [DeviceState.ACTIVE, DeviceState.CANCELLED]
    assert "wrong model" in next(row.reason for row in ended.devices if row.state is DeviceState.CANCELLED)


@pytest.mark.parametrize(("road", "command"), [(9, "/9/0/6"), (5, "/5/0/10")])
async def test_a_hard_cancel_stops_devices_under_way(house: Any, join: Join, road: int, command: str) -> None:
    device = join("a", lazy=True, slots=[FakeSlot(0, road=road)])
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), Plan(phases=(Phase(),)))
        async with asyncio.timeout(10):
            while (await campaigns.get(started.campaign.id)).device("a").state is not DeviceState.DELIVERING:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        async with asyncio.timeout(10):
            while device.slots[0].delivery_state != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await campaigns.command(started.campaign.id, CampaignEvent.CANCEL_HARD, WHO)
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.CANCELLED
    assert states(ended) == {"a": DeviceState.ROLLED_BACK}
    assert device.executed == [command]
    assert device.slots[0].delivery_state == 0
    assert not house.shelf.offers


@pytest.mark.parametrize("moment", ["rolling back", "soaking"])
async def test_a_roll_back_goes_on_after_the_server_stopped(house: Any, join: Join, moment: str) -> None:
    # Evidence that comes early condemns the model before any soaking.
    devices = [join(endpoint, agreement=None if moment == "soaking" else 0.0) for endpoint in "ab"]
    plan = Plan(phases=(Phase(),), gates=Gates(agreement=50.0, results=5, devices=2))
    stopped = asyncio.Event()

    async def note(event: CampaignChanged) -> None:
        if event.device is None and str(event.state) == moment:
            stopped.set()

    subscription = house.bus.subscribe(CampaignChanged, note)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named(*"ab"), plan)
        async with asyncio.timeout(20):
            await stopped.wait()
    subscription.cancel()
    for device in devices:
        device.agreement = 0.0
    async with house.open() as campaigns:
        ended = await house.finished(campaigns, started.campaign.id)
    assert ended.campaign.state is CampaignState.ROLLED_BACK
    assert set(states(ended).values()) == {DeviceState.ROLLED_BACK}
    assert not [slot for device in devices for slot in device.slots if slot.state in {2, 3}]


async def test_a_version_that_is_not_the_expected_one_is_a_failure(house: Any, join: Join) -> None:
    join("a", model_of=lambda package: ("digits", "0.9.9"))
    (row,) = (await house.deploy("a")).devices
    assert (row.state, row.reported) == (DeviceState.FAILED, "0.9.9")
    assert row.reason == "expected version 1.0.0, the device reports 0.9.9"


async def test_a_closed_window_keeps_every_device(house: Any, join: Join) -> None:
    join("a")
    soon = time.gmtime(time.time() + 7_200)
    window = Window(f"{soon.tm_hour:02}:{soon.tm_min:02}", f"{(soon.tm_hour + 1) % 24:02}:{soon.tm_min:02}")
    async with house.open() as campaigns:
        plan = Plan(phases=(Phase(),), windows=(window,))
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), plan)
        await asyncio.sleep(0.1)
        row = (await campaigns.get(started.campaign.id)).device("a")
        assert row.state is DeviceState.PENDING
        assert "the maintenance window opens in" in campaigns.diagnosis(started.campaign.id, row)


async def test_a_campaign_tells_who_uses_a_model(house: Any, join: Join) -> None:
    join("a", asleep=True)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), house.named("a"), Plan(phases=(Phase(),)))
        assert campaigns.users("digits", "1.0.0") == (started.campaign.id,)
        assert campaigns.users("digits", "2.0.0") == ()
