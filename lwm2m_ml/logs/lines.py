"""An event of the log with its time and level, and as a line of text."""

import time
from collections.abc import MutableMapping
from typing import Any

from structlog.processors import format_exc_info

LEVELS = {"exception": "error", "warn": "warning"}
"""Levels that are not called like their methods."""


class Clock:
    """The present time as ISO 8601 in UTC. What changes once a second is written once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """The time, to the microsecond."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{str(rest // 1000).zfill(6)}Z"


class Stamper:
    """Adds level and time to an event, for processors that come after."""

    def __init__(self) -> None:
        self._clock = Clock()

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Stamp an event, as structlog's processors do."""
        event["level"] = LEVELS.get(method, method)
        event["timestamp"] = self._clock.now()
        return event


class PlainLines:
    """A line as structlog's console shows it, without colours: a tenth of the time, for servers that log a lot.

    All that structlog has a processor each for is done here in one: passing an event on takes longer than the work.
    """

    def __init__(self) -> None:
        self._clock = Clock()

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """Render an event, as the last of structlog's processors does."""
        if "exc_info" in event:
            event = format_exc_info(logger, method, event)
        what, exception = event.pop("event", ""), event.pop("exception", None)
        level = LEVELS.get(method, method)
        pairs = " ".join([f"{name}={shown(value)}" for name, value in event.items()])
        line = f"{self._clock.now()} [{level.ljust(8)}] {str(what).ljust(30)} {pairs}"
        return line if exception is None else f"{line}\n{exception}"


def shown(value: object) -> str:
    """A value as it is; quoted where it could be taken for something else, so that no device forges a line."""
    if isinstance(value, str) and value.isprintable() and " " not in value and value:
        return value
    return repr(value)
