"""How often a model is right in the field, as far as feedback tells."""

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class FieldAccuracy:
    """`right` of `judged` results agreed with feedback."""

    right: int
    judged: int

    @property
    def share(self) -> float | None:
        """The share that was right, 0 to 1; None without feedback."""
        return self.right / self.judged if self.judged else None

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return where the true share lies with this confidence (Wilson's score interval, 1927); all, without feedback.

        It stays within 0 and 1 and is sensible for few results and for shares near either end.
        """
        if not self.judged:
            return 0.0, 1.0
        z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
        share, n = self.right / self.judged, self.judged
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)
