"""Captured inputs as a data set."""

import io
from collections.abc import AsyncIterator

import numpy
import pytest

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.monitoring.capture_export import CaptureExport
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.store import Store
from lwm2m_ml.store.captures import CaptureRecord
from lwm2m_ml.store.feedback import FeedbackRecord

TENSOR = {"name": "x", "shape": [1, 2, 2], "dtype": "int8", "scale": 0.5, "zero_point": -2, "bytes": 4}


@pytest.fixture
async def export(store: Store) -> AsyncIterator[CaptureExport]:
    workers = WorkerPool(1)
    yield CaptureExport(store.captures, store.feedback, workers)
    await workers.stop()


def capture(number: int | None, *values: int, at: float = 1.0) -> CaptureRecord:
    content = numpy.asarray(values, dtype=numpy.int8).tobytes()
    return CaptureRecord("device", "motion", "1.0.0", number, TENSOR, content, at)


async def test_inputs_come_in_real_values_with_the_classes_that_feedback_told(
    export: CaptureExport, store: Store
) -> None:
    store.captures.add(capture(7, -2, 0, 2, 4))
    store.captures.add(capture(8, 126, 127, -128, -127, at=2.0))
    store.captures.add(capture(None, 0, 0, 0, 0, at=3.0))
    await store.feedback.put(FeedbackRecord("device", "motion", "1.0.0", 8, decided=1, true_class=3, given_by="anna"))
    content = await export.export("motion")
    with numpy.load(io.BytesIO(content), allow_pickle=False) as file:
        assert file["inputs"].dtype == numpy.float32
        assert file["inputs"].tolist() == [
            [[0.0, 1.0], [2.0, 3.0]],
            [[64.0, 64.5], [-63.0, -62.5]],
            [[1.0, 1.0], [1.0, 1.0]],
        ]
        assert file["labels"].tolist() == [-1, 3, -1]
        assert file["numbers"].tolist() == [7, 8, -1]
        assert file["endpoints"].tolist() == ["device"] * 3
        assert file["captured_at"].tolist() == [1.0, 2.0, 3.0]


async def test_only_what_was_captured_since_a_time_is_exported(export: CaptureExport, store: Store) -> None:
    store.captures.add(capture(7, 1, 1, 1, 1))
    await store.captures.add(capture(8, 2, 2, 2, 2, at=2.0))
    with numpy.load(io.BytesIO(await export.export("motion", since=1.5)), allow_pickle=False) as file:
        assert file["captured_at"].tolist() == [2.0]


async def test_a_model_without_captures_has_no_data_set(export: CaptureExport) -> None:
    with pytest.raises(NotFoundError, match="No input of motion was captured"):
        await export.export("motion")
