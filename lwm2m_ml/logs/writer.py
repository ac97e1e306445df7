"""Who writes the lines of the log."""

import asyncio
import atexit
import threading
from typing import TextIO

MOST_LINES = 200
"""Lines that wait to be written."""


class LineWriter:
    """Writes lines as they come, but those of a busy event loop together, a turn's at a time: a call for each is dear.

    What is worse than `info` takes no time to wait; a killed process loses no more than the lines of one turn.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing = threading.Lock()
        atexit.register(self._write_out)

    def info(self, line: str) -> None:
        """Write a line, at the latest when the event loop comes round."""
        if not self._waiting or self._loop is None or self._loop.is_closed():
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                self.error(line)
                return
            self._loop.call_soon(self._write_out)
        self._waiting.append(line)
        if len(self._waiting) >= MOST_LINES:
            self._write_out()

    def error(self, line: str) -> None:
        """Write a line now, after all that wait."""
        self._waiting.append(line)
        self._write_out()

    debug = msg = info
    warning = warn = exception = critical = fatal = error

    def _write_out(self) -> None:
        with self._writing:
            lines = self._waiting[:]
            del self._waiting[: len(lines)]  # others may append meanwhile
            if lines:
                self._output.write("\n".join(lines) + "\n")
                self._output.flush()


class LineWriterFactory:
    """One writer for all loggers, so that their lines keep their order."""

    def __init__(self, output: TextIO) -> None:
        self._writer = LineWriter(output)

    def __call__(self, *_names: object) -> LineWriter:
        """The writer, whoever logs."""
        return self._writer
