"""Logging of a running service: structlog, on stderr, for people or as JSON lines."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logging(*, level: str = "info", as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (stderr by default), with time, level and bound context."""
    output = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=output.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=output, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
    )
