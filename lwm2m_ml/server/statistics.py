"""What became of the operations on devices, counted since the start."""

from collections import defaultdict
from dataclasses import dataclass, field

OK = "ok"


@dataclass(slots=True)
class OperationStatistics:
    """Operations by name and outcome (`ok`, or the name of the error), and the seconds they took by name."""

    count: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def ended(self, operation: str, outcome: str, seconds: float) -> None:
        """Count an operation."""
        self.count[operation, outcome] += 1
        self.seconds[operation] += seconds
