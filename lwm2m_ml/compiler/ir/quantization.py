"""How integers stand for real numbers: real = scale × (integer − zero point)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantization:
    """One scale and zero point for a tensor, or one per slice along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int) -> "Quantization":
        """One scale and zero point for all elements."""
        return cls((scale,), (zero_point,))

    @property
    def scale(self) -> float:
        """The scale of a tensor quantised as a whole."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantised as a whole."""
        return self.zero_points[0]
