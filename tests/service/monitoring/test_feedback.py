"""Feedback on results."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.errors import NotFoundError, UsageError
from lwm2m_ml.service.monitoring.accuracy import FieldAccuracy
from lwm2m_ml.service.monitoring.feedback import Feedback
from lwm2m_ml.store import Store
from lwm2m_ml.store.results import ResultRecord
from tests.service.monitoring.conftest import RESULT, CountingDevice

RECORD = ResultRecord("device", "motion", 7, 2, version="1.0.0", slot=1)
LABELS = ("idle", "wave", "circle")


@pytest.fixture
async def feedback(device: CountingDevice, store: Store) -> AsyncIterator[Feedback]:
    feedback = Feedback(device, store.feedback, store.results, result_object=RESULT)
    yield feedback
    await feedback.stop()


async def test_feedback_is_stored_and_told_to_the_device(
    feedback: Feedback, device: CountingDevice, store: Store
) -> None:
    await store.results.add(RECORD)
    record = await feedback.give("device", 7, "wave", "anna", labels={"motion": LABELS})
    assert (record.model, record.decided, record.true_class, record.given_by) == ("motion", 2, 1, "anna")
    await asyncio.sleep(0)
    assert device.executed == [(f"/{RESULT}/1/10", "0='7',1='1'")]


async def test_accuracy_is_per_version_and_the_last_word_counts(feedback: Feedback, store: Store) -> None:
    for number in range(10):
        await store.results.add(dataclasses.replace(RECORD, number=number, version="1.0.0" if number < 6 else "1.1.0"))
        await feedback.give("device", number, 2 if number % 2 else 0, "anna", labels={})
    await feedback.give("device", 0, 2, "ben", labels={})
    found = await feedback.accuracy(model="motion")
    assert [(one.version, one.accuracy) for one in found] == [
        ("1.0.0", FieldAccuracy(4, 6)),
        ("1.1.0", FieldAccuracy(2, 4)),
    ]
    assert await feedback.accuracy(endpoint="other") == ()


async def test_the_newest_result_with_a_number_is_meant(feedback: Feedback, store: Store) -> None:
    await store.results.add(dataclasses.replace(RECORD, class_index=0))
    await store.results.add(RECORD)
    assert (await feedback.give("device", 7, 2, "anna", labels={})).decided == 2


async def test_of_two_results_with_a_number_the_series_says_which(
    feedback: Feedback, device: CountingDevice, store: Store
) -> None:
    for series, decided in ((1, 0), (2, 2)):
        await store.results.add(dataclasses.replace(RECORD, series=series, class_index=decided))
    assert (await feedback.give("device", 7, 0, "anna", labels={}, series=1)).decided == 0
    assert (await feedback.give("device", 7, 0, "anna", labels={}, series=2)).decided == 2
    assert await store.feedback.of_endpoint("device", "motion", "1.0.0") == {(1, 7): 0, (2, 7): 0}
    await asyncio.sleep(0)
    assert device.executed[-1] == (f"/{RESULT}/1/10", "0='7',1='0',2='2'")
    with pytest.raises(NotFoundError):
        await feedback.give("device", 7, 0, "anna", labels={}, series=3)


async def test_a_result_that_is_not_known_is_told(feedback: Feedback, store: Store) -> None:
    with pytest.raises(NotFoundError, match="device has sent no result with the number 7"):
        await feedback.give("device", 7, 1, "anna", labels={})
    await store.results.add(dataclasses.replace(RECORD, model="", version=""))
    with pytest.raises(NotFoundError, match="not known which model made result 7"):
        await feedback.give("device", 7, 1, "anna", labels={})


@pytest.mark.parametrize(
    ("true_class", "labels"), [("jump", LABELS), (3, LABELS), (-1, ()), ("-1", ()), ("x", ()), (10**7, ())]
)
async def test_a_class_that_is_none_is_refused(
    feedback: Feedback, store: Store, true_class: int | str, labels: tuple[str, ...]
) -> None:
    await store.results.add(RECORD)
    with pytest.raises(UsageError, match="is no class"):
        await feedback.give("device", 7, true_class, "anna", labels={"motion": labels})
