"""What has been done of a search, how long it took, and what may be left: told only once it has been measured."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lwm2m_ml.compiler.errors import UnreadableSamples

STATE_FILE = "shrink.json"


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of work whose result is kept. Steps of one kind take about equally long."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """What tells it apart."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Progress:
    """`seconds_left` is None as long as a kind of step that is still to come has never been measured."""

    done: int
    total: int
    next_step: str
    seconds_left: float | None


@dataclass(slots=True)
class Journal:
    """Results of steps in a file that survives being killed at any moment."""

    folder: Path
    digest: str
    results: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path, digest: str) -> "Journal":
        """The journal of a folder; that of another search is begun anew."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / STATE_FILE
        if not path.exists():
            return cls(folder, digest)
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            found = cls(folder, state["digest"], dict(state["results"]), dict(state["seconds"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableSamples(f"{path} is damaged: {error}", hint="Remove it to begin anew") from None
        return found if found.digest == digest else cls(folder, digest)

    def run(self, step: Step, work: Callable[[], Any]) -> Any:
        """The result of a step, as JSON has it: worked out now, or kept from before."""
        if step.key not in self.results:
            start = time.monotonic()
            result = work()
            self.seconds[step.key] = time.monotonic() - start
            self.results[step.key] = json.loads(json.dumps(result))
            self._write()
        return self.results[step.key]

    def progress(self, steps: Sequence[Step]) -> Progress:
        """How far a search of these steps has come."""
        left = [step for step in steps if step.key not in self.results]
        return Progress(len(steps) - len(left), len(steps), left[0].key if left else "", self._seconds_left(left))

    def _seconds_left(self, left: Sequence[Step]) -> float | None:
        total = 0.0
        for step in left:
            like = [seconds for key, seconds in self.seconds.items() if key.split()[0] == step.kind]
            if not like:
                return None
            total += sum(like) / len(like)
        return total

    def _write(self) -> None:
        """A whole new file takes the place of the old one, or nothing happens."""
        path = self.folder / STATE_FILE
        state = {"digest": self.digest, "results": self.results, "seconds": self.seconds}
        fresh = path.with_suffix(".part")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
