"""Log lines of a running service."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from lwm2m_ml.logs import configure_logging, render_plain


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_plain_line_has_time_level_event_and_context() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    structlog.get_logger().info("device registered", endpoint="dev-1", lifetime=300)
    (line,) = out.getvalue().splitlines()
    assert "[info    ] device registered" in line
    assert line.endswith("endpoint=dev-1 lifetime=300")


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
    line = render_plain(None, "info", {"event": "x", "level": "info", "timestamp": "now", "endpoint": name})
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


def test_json_lines_are_json() -> None:
    out = io.StringIO()
    configure_logging(as_json=True, stream=out)
    structlog.get_logger().warning("refused", code=403)
    assert json.loads(out.getvalue())["code"] == 403


def test_lower_levels_are_left_out() -> None:
    out = io.StringIO()
    configure_logging(level="warning", stream=out)
    structlog.get_logger().info("nothing")
    assert out.getvalue() == ""
