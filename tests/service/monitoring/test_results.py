"""Results out of sent records."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.service.monitoring.results import ResultReader

NOW = 1_800_000_000.0


@pytest.fixture
def reader() -> ResultReader:
    return ResultReader(42771, 42770)


def sent(number: Any = 1, of_class: Any = 2, *, timestamp: float | None = None, **more: Any) -> list[Record]:
    values = {5: number, 1: of_class, 3: more.get("confidence", 90.0), 0: ObjectLink(42770, 1), 2: "two"}
    records = [Record(ObjectPath(42771, 0, resource), value, timestamp) for resource, value in values.items()]
    scores = more.get("scores", (5.0, 5.0, 90.0))
    records += [Record(ObjectPath(42771, 0, 4, index), score, timestamp) for index, score in enumerate(scores)]
    return records


def test_a_result_with_its_latency(reader: ResultReader) -> None:
    records = [*sent(), Record(ObjectPath(42770, 1, 27), 1.5)]
    (result,) = reader.read("device", records, NOW)
    assert (result.number, result.class_index, result.label, result.confidence) == (1, 2, "two", 90.0)
    assert (result.scores, result.latency, result.slot, result.received_at) == ((5.0, 5.0, 90.0), 1.5, 1, NOW)


def test_no_decision_is_a_result(reader: ResultReader) -> None:
    assert reader.read("device", sent(of_class=-1), NOW)[0].class_index == -1


def test_several_inferences_in_one_message_are_told_apart_by_time(reader: ResultReader) -> None:
    records = sent(1, timestamp=NOW - 2) + sent(2, timestamp=NOW - 1)
    assert [(r.number, r.received_at) for r in reader.read("device", records, NOW)] == [(1, NOW - 2), (2, NOW - 1)]


@pytest.mark.parametrize(
    ("absurd", "why"),
    [
        ({"confidence": math.nan}, "confidence"),
        ({"confidence": 101.0}, "confidence"),
        ({"scores": (math.inf, 0.0)}, "scores"),
        ({"number": -1}, "number"),
        ({"number": "one"}, "number"),
        ({"of_class": -2}, "class"),
        ({"of_class": True}, "class"),
    ],
)
def test_absurd_values_are_dropped_and_counted(reader: ResultReader, absurd: dict[str, Any], why: str) -> None:
    assert reader.read("device", sent(**absurd), NOW) == ()
    assert reader.dropped == {why: 1}


def test_an_absurd_latency_does_not_cost_the_result(reader: ResultReader) -> None:
    (result,) = reader.read("device", [*sent(), Record(ObjectPath(42770, 1, 27), math.nan)], NOW)
    assert result.latency is None
    assert reader.dropped == {"latency": 1}


def test_a_gap_in_the_scores_makes_them_useless(reader: ResultReader) -> None:
    records = [record for record in sent() if record.path.resource_instance_id != 1]
    assert reader.read("device", records, NOW) == ()


def test_a_message_cannot_hold_more_results_than_fit_a_message(reader: ResultReader) -> None:
    records = [record for number in range(400) for record in sent(number, timestamp=NOW - number)]
    assert len(reader.read("device", records, NOW)) == 256
    assert reader.dropped == {"too many in one message": 144}


@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf, -1e12, 1e9, NOW + 10 * 366 * 86_400, 1e300])
def test_a_result_of_an_absurd_moment_counts_from_its_arrival(reader: ResultReader, moment: float) -> None:
    (result,) = reader.read("device", sent(timestamp=moment), NOW)
    assert result.received_at == NOW
    assert reader.dropped == {"time": 1}


def test_what_is_no_result_is_left_alone(reader: ResultReader) -> None:
    assert reader.read("device", [Record(ObjectPath(3303, 0, 5700), 21.5)], NOW) == ()
    assert not reader.dropped


@given(
    st.lists(
        st.builds(
            Record,
            st.builds(
                lambda o, r, n: ObjectPath(o, 0, r, n),
                st.sampled_from([42770, 42771]),
                st.integers(0, 30),
                st.none() | st.integers(0, 5),
            ),
            st.none() | st.text(max_size=9) | st.integers() | st.floats() | st.booleans() | st.binary(max_size=9),
            st.none() | st.floats(),
        )
    )
)
def test_no_records_whatever_make_a_result_that_is_not_one(records: list[Record]) -> None:
    for result in ResultReader(42771, 42770).read("device", records, NOW):
        assert result.number >= 0
        assert result.class_index >= -1
        assert all(0 <= score <= 100 for score in result.scores)
        assert math.isfinite(result.received_at)
