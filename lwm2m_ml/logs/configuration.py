"""How structlog is set up: which processors an event passes, and who writes its line."""

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.typing import Processor

from lwm2m_ml.logs.lines import PlainLines, Stamper
from lwm2m_ml.logs.writer import LineWriterFactory


def configure_logging(*, level: str = "info", as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (stderr by default), with time, level and bound context."""
    output = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_renderers(output, as_json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=LineWriterFactory(output),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=output, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
    )


def _renderers(output: TextIO, as_json: bool) -> Sequence[Processor]:
    if not as_json and not output.isatty():
        return [PlainLines()]
    last = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    return [Stamper(), structlog.processors.format_exc_info, last]
