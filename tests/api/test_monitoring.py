"""Alarms and captures through the API."""

import dataclasses
import io
from collections.abc import Awaitable, Callable

import numpy
import pytest
from fastapi import FastAPI

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.service.access import Scope
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml.store.captures import CaptureRecord
from lwm2m_ml.store.results import ResultRecord

TENSOR = {"name": "x", "shape": [1, 2], "dtype": "int8", "scale": 1.0, "zero_point": 0, "bytes": 2}


@pytest.fixture
def service(api: FastAPI) -> TinyMLService:
    found: TinyMLService = api.state.service
    return found


@pytest.fixture
def alarms(service: TinyMLService) -> Alarms:
    return service.monitoring.alarms


def subject(endpoint: str) -> Subject:
    return Subject(DRIFT, endpoint, "motion", "1.0.0", "x")


async def test_alarms_are_listed_newest_first_in_pages(client: AsyncClient, alarms: Alarms) -> None:
    for number in range(5):
        await alarms.raise_alarm(subject(f"device-{number}"), "x has drifted", {"samples": 40})
    await alarms.clear(subject("device-3"))
    assert [one.endpoint for one in await client.alarms()] == [f"device-{number}" for number in (4, 3, 2, 1, 0)]
    assert [one.endpoint for one in await client.alarms(only_open=True)] == [
        f"device-{number}" for number in (4, 2, 1, 0)
    ]
    page = await client.send(type(client).alarms())
    assert page.next is None


async def test_the_first_to_acknowledge_is_named(client: AsyncClient, alarms: Alarms) -> None:
    raised = await alarms.raise_alarm(subject("device"), "x has drifted", {})
    assert (await client.acknowledge_alarm(raised.id)).acknowledged_by == (await client.caller()).name
    assert (await client.alarm(raised.id)).figures == {}
    with pytest.raises(ApiError, match="There is no alarm"):
        await client.alarm("other")


async def test_a_device_may_be_asked_once_somebody_allowed_it(client: AsyncClient) -> None:
    granted = await client.allow_captures("dev/1", 5)
    assert (granted.endpoint, granted.per_day) == ("dev/1", 5)
    assert [one.endpoint for one in await client.capture_consents()] == ["dev/1"]
    await client.forbid_captures("dev/1")
    assert await client.capture_consents() == []


async def test_a_device_that_is_not_there_cannot_be_asked(client: AsyncClient) -> None:
    with pytest.raises(ApiError) as caught:
        await client.capture("nobody")
    assert caught.value.status == 404


async def test_captured_inputs_come_as_a_file(client: AsyncClient, service: TinyMLService) -> None:
    with pytest.raises(ApiError, match="No input of motion was captured"):
        await client.captured_inputs("motion")
    record = CaptureRecord("device", "motion", "1.0.0", 7, TENSOR, bytes([1, 2]), captured_at=1.0)
    await service._store.captures.add(record)
    with numpy.load(io.BytesIO(await client.captured_inputs("motion")), allow_pickle=False) as file:
        assert file["inputs"].tolist() == [[1.0, 2.0]]
        assert file["labels"].tolist() == [-1]


async def test_raw_data_needs_more_than_a_viewer(where: Running, issue: Callable[[Scope], Awaitable[str]]) -> None:
    async with AsyncClient(where.api, await issue(Scope.VIEWER)) as viewer:
        assert await viewer.alarms() == []
        for attempt in (viewer.allow_captures("device", 5), viewer.captured_inputs("motion"), viewer.capture("device")):
            with pytest.raises(ApiError) as caught:
                await attempt
            assert caught.value.status == 403


RESULT = ResultRecord("device", "digits", 7, 3, confidence=90.0, latency=1.5, version="1.0.0", slot=0)


async def test_results_come_by_hour_and_accuracy_by_version(client: AsyncClient, service: TinyMLService) -> None:
    await service._store.results.add(RESULT)
    await service._store.results.add(dataclasses.replace(RESULT, number=9, lost=1))
    (hour,) = await client.result_hours(model="digits")
    assert (hour.class_index, hour.results, hour.lost, hour.latency) == (3, 2, 1, 1.5)
    assert await client.result_hours(endpoint="other") == []
    assert (await client.give_feedback("device", 7, "3")).true_class == 3
    await client.give_feedback("device", 9, 8)
    (accuracy,) = await client.accuracy(model="digits")
    assert (accuracy.right, accuracy.judged, accuracy.share) == (1, 2, 0.5)
    assert accuracy.low < 0.2 < 0.8 < accuracy.high


async def test_feedback_on_what_is_not_known_is_refused(client: AsyncClient, service: TinyMLService) -> None:
    with pytest.raises(ApiError, match="has sent no result with the number 7"):
        await client.give_feedback("device", 7, 3)
    await service._store.results.add(RESULT)
    with pytest.raises(ApiError, match="'ten' is no class"):
        await client.give_feedback("device", 7, "ten")


async def test_years_of_results_are_not_answered_at_once(client: AsyncClient) -> None:
    with pytest.raises(ApiError, match="More than 92 days"):
        await client.result_hours(since=0.0)
