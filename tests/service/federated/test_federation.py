"""Federated runs on a real store with devices in memory: rounds, stragglers, poison, pause, restart, privacy."""

import asyncio
import dataclasses
from pathlib import Path

import cbor2
import numpy
import pytest

from lwm2m_ml.bus import OwnershipGained, OwnershipLost
from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError
from lwm2m_ml.learning.accountant import epsilon
from lwm2m_ml.learning.terms import Method, VectorEncoding
from lwm2m_ml.module import cbor
from lwm2m_ml.service.campaigns.states import CampaignEvent
from lwm2m_ml.service.federated.plan import FederatedPlan
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.resources import LearningResource
from lwm2m_ml.service.zoo.model import Variant
from lwm2m_ml.store.fence import CAMPAIGNS
from tests.service.federated.conftest import HEAD, PARAMETERS, ZOO, Bench, FakeFleet, FakeLearner, federating


async def test_rounds_move_the_parameters_by_the_mean_of_the_updates(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-0"].delta, fleet.learners["device-0"].examples = 0.5, 10
    made = await bench.start(rounds=3, adopt=True)
    done = await bench.over(made.run.id)
    assert str(done.run.state) == "finished"
    step = (0.5 * 10 + 0.1 * 5 + 0.1 * 5) / 20
    assert await bench.weights(made.run.id) == pytest.approx([3 * step] * PARAMETERS, rel=1e-5)
    rounds = await bench.federation.rounds(made.run.id)
    assert [(one.number, one.counted, one.asked, one.accepted, one.examples, one.loss) for one in rounds] == [
        (number, True, 3, 3, 20, 0.5) for number in (1, 2, 3)
    ]
    assert rounds[0].step_norm == pytest.approx(step * PARAMETERS**0.5, rel=1e-5)
    assert (rounds[0].bytes_down, rounds[0].bytes_up, rounds[0].instructions, rounds[0].joules) == (
        3000,
        300,
        3000,
        1.5,
    )
    expected = numpy.full(PARAMETERS, 3 * step, "<f4")
    for learner in fleet.learners.values():
        assert numpy.allclose(numpy.frombuffer(learner.adopted, "<f4"), expected, rtol=1e-5)


async def test_a_run_begins_with_the_model_s_own_parameters_unless_it_is_told_otherwise(bench: Bench) -> None:
    made = await bench.start(rounds=1, start="model")
    assert await bench.federation.weights(made.run.id) == HEAD
    await bench.over(made.run.id)
    assert await bench.weights(made.run.id) == pytest.approx([number + 0.1 for number in range(PARAMETERS)], rel=1e-5)


async def test_devices_are_told_the_plan(bench: Bench, fleet: FakeFleet) -> None:
    plan = {
        "mode": "parameter server",
        "encoding": "float16",
        "local": {"epochs": 4, "batch": 3, "rate": 0.25, "momentum": 0.5},
        "privacy": {"clip": 2.5},
    }
    made = await bench.start(rounds=1, server={"rate": 2.0}, **plan)
    await bench.over(made.run.id)
    values = fleet.learners["device-1"].values
    assert values[LearningResource.METHOD] == Method.GRADIENT
    assert values[LearningResource.UPDATE_ENCODING] == VectorEncoding.FLOAT16
    assert [values[number] for number in range(7, 12)] == [4, 3, 0.25, 0.5, 2.5]
    assert await bench.weights(made.run.id) == pytest.approx([0.2] * PARAMETERS, rel=1e-5)


async def test_a_straggler_is_named_and_the_round_counts_without_it(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-2"].never_ready = True
    made = await bench.start(
        rounds=1, sampling={"share": 1.0, "seconds": 2.0, "quorum": 0.6}, limits={"void_rounds": 1000}
    )
    await bench.over(made.run.id)
    late = await bench.outcome(made.run.id, "device-2", "late")
    assert late.reason == "no update came while the round was open"
    assert LearningResource.CANCEL in fleet.learners["device-2"].executed
    assert await bench.weights(made.run.id) == pytest.approx([0.1] * PARAMETERS, rel=1e-5)


async def test_a_round_need_not_wait_for_everybody(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-2"].never_ready = True
    made = await bench.start(rounds=1, sampling={"share": 1.0, "seconds": 1000.0, "enough": 0.6})
    done = await bench.over(made.run.id)
    assert done.last is not None
    assert done.last.accepted == 2


async def test_a_device_that_drops_out_is_named_with_its_reason(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-0"].refuses = True
    made = await bench.start(rounds=1)
    await bench.over(made.run.id)
    failed = await bench.outcome(made.run.id, "device-0", "failed")
    assert "device-0 answered Write with 5.00" in failed.reason


async def test_devices_that_sleep_or_run_something_else_are_not_asked(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-0"].awake = False
    fleet.learners["device-1"].model = "other"
    fleet.learners["device-3"] = FakeLearner("device-3", parameters=7)
    gate = fleet.learners["device-2"].gate = asyncio.Event()
    made = await bench.start(rounds=1)
    await bench.learning("device-2")
    assert bench.federation.why_not(made.run.id) == {
        "device-1": "device-1 does not run reader 1.0",
        "device-3": "device-3 learns 7 parameters, the run has 6",
    }
    gate.set()
    await bench.over(made.run.id)
    assert [answer.endpoint for answer in await bench.federation.answers(made.run.id, 1)] == ["device-2"]


def _field(number: int, value: object) -> object:
    return lambda content: cbor.encode(cbor2.loads(content) | {number: value})


POISON = {
    "NaN": (_field(7, numpy.full(PARAMETERS, numpy.nan, "<f4").tobytes()), "not finite"),
    "scaled by a million": (_field(7, numpy.full(PARAMETERS, 1e5, "<f4").tobytes()), "has the length"),
    "of another round": (_field(1, bytes(16)), "another round or of another device"),
    "cut off": (lambda content: content[:-3], "malformed"),
    "of another module": (_field(2, bytes(32)), "another module"),
}


@pytest.mark.parametrize("kind", POISON)
async def test_poison_is_rejected_named_and_does_not_move_the_model(bench: Bench, fleet: FakeFleet, kind: str) -> None:
    spoils, words = POISON[kind]
    fleet.learners["device-1"].spoils = spoils  # type: ignore[assignment]
    made = await bench.start(rounds=2)
    done = await bench.over(made.run.id)
    assert await bench.weights(made.run.id) == pytest.approx([0.2] * PARAMETERS, rel=1e-5)
    assert words in (await bench.outcome(made.run.id, "device-1", "rejected")).reason
    assert done.last is not None
    assert (done.last.accepted, done.last.rejected) == (2, 1)


async def test_a_sent_update_counts_once_and_its_repetition_is_named(bench: Bench, fleet: FakeFleet) -> None:
    for learner in fleet.learners.values():
        learner.gate = asyncio.Event()
    device = fleet.learners["device-0"]
    made = await bench.start(rounds=1)
    await bench.learning("device-0")
    content = device.update()
    for _ in range(2):
        bench.send("device-0", content)
    repeated = await bench.outcome(made.run.id, "device-0", "rejected")
    assert "repetition" in repeated.reason
    for learner in fleet.learners.values():
        assert learner.gate is not None
        learner.gate.set()
    await bench.over(made.run.id)
    await bench.outcome(made.run.id, "device-0", "accepted")
    assert await bench.weights(made.run.id) == pytest.approx([0.1] * PARAMETERS, rel=1e-5)


async def test_an_update_of_a_device_that_was_not_asked_is_named_and_moves_nothing(
    bench: Bench, fleet: FakeFleet
) -> None:
    gate = asyncio.Event()
    for learner in fleet.learners.values():
        learner.gate = gate
    made = await bench.start(rounds=1)
    bench.send("intruder", (await bench.learning("device-0")).update())
    named = await bench.outcome(made.run.id, "intruder", "rejected")
    assert named.reason == "it was not asked for an update"
    gate.set()
    await bench.over(made.run.id)
    story = [note.text for note in await bench.federation.story(made.run.id)]
    assert any("intruder" in text for text in story)
    assert await bench.weights(made.run.id) == pytest.approx([0.1] * PARAMETERS, rel=1e-5)


async def test_a_run_is_paused_resumed_and_cancelled(bench: Bench, fleet: FakeFleet) -> None:
    gate = asyncio.Event()
    for learner in fleet.learners.values():
        learner.gate = gate
    made = await bench.start(rounds=1000)
    run_id = made.run.id
    paused = await bench.federation.command(run_id, CampaignEvent.PAUSE, "anna", "plant is down")
    assert (str(paused.run.state), paused.diagnosis) == ("paused", "plant is down")
    gate.set()
    done = await bench.until(run_id, lambda found: found.run.round == 1)
    await asyncio.sleep(0.1)
    assert (await bench.federation.overview(run_id)).run.round == done.run.round == 1
    with pytest.raises(ConflictError, match="means nothing in that state"):
        await bench.federation.command(run_id, CampaignEvent.PAUSE, "anna")
    await bench.federation.command(run_id, CampaignEvent.RESUME, "anna")
    await bench.until(run_id, lambda found: found.run.round >= 3)
    ended = await bench.federation.command(run_id, CampaignEvent.CANCEL, "bert", "enough")
    assert str(ended.run.state) == "cancelled"
    await bench.over(run_id)
    with pytest.raises(ConflictError, match="is over"):
        await bench.federation.command(run_id, CampaignEvent.RESUME, "anna")
    story = [(note.who, note.text) for note in await bench.federation.story(run_id)]
    assert ("anna", "pause: the run is paused; plant is down") in story
    assert ("bert", "cancel: the run is cancelled; enough") in story


async def test_too_many_failures_pause_the_run_with_the_figures(bench: Bench, fleet: FakeFleet) -> None:
    for learner in fleet.learners.values():
        learner.refuses = True
    made = await bench.start(rounds=5)
    found = await bench.until(made.run.id, lambda one: str(one.run.state) == "paused")
    assert found.run.reason == "3 of 3 devices failed or were rejected in round 1"
    for learner in fleet.learners.values():
        learner.refuses = False
    await bench.federation.command(made.run.id, CampaignEvent.RESUME, "anna")
    done = await bench.over(made.run.id)
    assert (str(done.run.state), done.run.round) == ("finished", 5)


async def test_rounds_that_do_not_count_leave_the_parameters_and_pause_the_run(bench: Bench, fleet: FakeFleet) -> None:
    fleet.learners["device-0"].refuses = True
    made = await bench.start(rounds=5, sampling={"share": 1.0, "quorum": 1.0}, limits={"void_rounds": 2})
    found = await bench.until(made.run.id, lambda one: str(one.run.state) == "paused")
    assert found.run.reason == "2 rounds one after the other did not count"
    assert await bench.weights(made.run.id) == [0.0] * PARAMETERS
    rounds = await bench.federation.rounds(made.run.id)
    assert [(one.number, one.counted) for one in rounds] == [(1, False)]


async def test_a_run_goes_on_after_a_restart_from_its_last_round(tmp_path: Path, fleet: FakeFleet) -> None:
    device = fleet.learners["device-0"]
    async with federating(tmp_path, fleet) as bench:
        made = await bench.start(rounds=4)
        await bench.until(made.run.id, lambda found: found.run.round >= 2)
        device.gate = asyncio.Event()
        await bench.until(made.run.id, lambda _: device.state.name == "LEARNING")
        old = device.values[LearningResource.TOKEN]
        before = (await bench.federation.overview(made.run.id)).run
    device.gate = None
    async with federating(tmp_path, fleet) as bench:
        done = await bench.over(made.run.id)
        assert (str(done.run.state), done.run.round) == ("finished", 4)
        assert await bench.weights(made.run.id) == pytest.approx([0.4] * PARAMETERS, rel=1e-5)
        assert device.values[LearningResource.TOKEN] != old
        assert dataclasses.replace(before, state=done.run.state).plan == done.run.plan
        with pytest.raises(NotFoundError):
            await bench.federation.weights(made.run.id, 99)
        assert len(await bench.federation.weights(made.run.id, 1)) == 4 * PARAMETERS


async def test_who_does_not_own_campaigns_any_more_drives_no_run_until_it_does_again(
    bench: Bench, fleet: FakeFleet
) -> None:
    gate = asyncio.Event()
    for learner in fleet.learners.values():
        learner.gate = gate
    made = await bench.start(rounds=2)
    await bench.learning("device-0")
    bench.bus.publish(OwnershipLost(CAMPAIGNS))
    await bench.until(made.run.id, lambda _: not bench.federation.users("reader", "1.0"))
    gate.set()
    assert (await bench.federation.overview(made.run.id)).run.round == 0
    bench.bus.publish(OwnershipGained(CAMPAIGNS))
    done = await bench.over(made.run.id)
    assert (str(done.run.state), done.run.round) == ("finished", 2)
    assert await bench.weights(made.run.id) == pytest.approx([0.2] * PARAMETERS, rel=1e-5)


async def test_with_noise_epsilon_is_told_and_devices_keep_their_statistics(bench: Bench, fleet: FakeFleet) -> None:
    made = await bench.start(rounds=3, privacy={"clip": 0.5, "noise": 2.0, "delta": 1e-3})
    done = await bench.over(made.run.id)
    assert done.epsilon == pytest.approx(epsilon(2.0, 1.0, 3, 1e-3))
    rounds = await bench.federation.rounds(made.run.id)
    assert [one.epsilon for one in rounds] == [pytest.approx(epsilon(2.0, 1.0, count, 1e-3)) for count in (1, 2, 3)]
    assert fleet.learners["device-0"].values[LearningResource.TELL_STATISTICS] is False
    assert all((one.examples, one.loss) == (0, None) for one in rounds)
    weights = await bench.weights(made.run.id)
    assert weights != pytest.approx([0.3] * PARAMETERS, abs=1e-3)  # noise of deviation 1/3 a round


async def test_a_model_with_several_variants_needs_one_to_be_named(bench: Bench) -> None:
    several = dataclasses.replace(ZOO, variants=(*ZOO.variants, Variant("large", "e", 2, 2)))
    selection = Selection("all", ("device-0",))
    with pytest.raises(InvalidInputError, match="several variants"):
        await bench.federation.create(several, selection, FederatedPlan())
    made = await bench.federation.create(several, selection, FederatedPlan(variant="large", rounds=1))
    assert made.run.variant == "large"
    assert bench.federation.users("reader", "1.0") == (made.run.id,)


@pytest.mark.parametrize(
    ("plan", "place"),
    [
        ({"round": 3}, "round"),
        ({"rounds": 0}, "rounds"),
        ({"mode": "gossip"}, "mode"),
        ({"sampling": {"share": 0}}, "sampling.share"),
        ({"privacy": {"noise": -1}}, "privacy.noise"),
        ({"local": {"rate": float("nan")}}, "local.rate"),
        ({"limits": {"error": 5}}, "limits.error"),
    ],
)
def test_a_plan_that_says_something_else_is_refused_with_the_place(plan: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidInputError, match=f"wrong at {place}"):
        FederatedPlan.from_json(plan)


def test_a_plan_survives_the_store() -> None:
    plan = FederatedPlan.from_json({"rounds": 7, "mode": "parameter server", "privacy": {"noise": 1.5}})
    assert FederatedPlan.from_json(plan.to_json()) == plan
