"""What a log says, by its settings."""

import io
import json

import structlog

from lwm2m_ml.logs import configure_logging


def test_a_plain_line_has_time_level_event_and_context() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    structlog.get_logger().info("device registered", endpoint="dev-1", lifetime=300)
    (line,) = out.getvalue().splitlines()
    assert "[info    ] device registered" in line
    assert line.endswith("endpoint=dev-1 lifetime=300")


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
