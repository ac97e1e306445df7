"""The text of a line."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from lwm2m_ml.logs import configure_logging
from lwm2m_ml.logs.lines import PlainLines


def test_the_time_is_the_present_one_to_the_microsecond() -> None:
    out = io.StringIO()
    configure_logging(as_json=True, stream=out)
    before = datetime.now(UTC)
    structlog.get_logger().info("first")
    structlog.get_logger().info("second")
    after = datetime.now(UTC)
    first, second = (datetime.fromisoformat(json.loads(line)["timestamp"]) for line in out.getvalue().splitlines())
    assert before - timedelta(microseconds=1) <= first <= second <= after


@pytest.mark.parametrize("name", ["a b", "a\nfake", "", "a\x1b[31m"])
def test_no_value_can_forge_another_line_or_field(name: str) -> None:
    line = PlainLines()(None, "info", {"event": "x", "endpoint": name})
    assert line.endswith(f"endpoint={name!r}")
    assert len(line.splitlines()) == 1


def test_an_exception_follows_its_line() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    try:
        raise ValueError("wrong")
    except ValueError:
        structlog.get_logger().exception("failed", endpoint="dev")
    assert out.getvalue().splitlines()[-1] == "ValueError: wrong"
