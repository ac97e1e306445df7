"""What the service holds the field against: the drift reference of a module, and how much it is worth."""

from dataclasses import dataclass

from lwm2m_ml.module.drift import DriftReference


@dataclass(frozen=True, slots=True)
class DriftBaseline:
    """`reference` was measured on `inputs` inputs; per channel, one input is worth so many independent samples."""

    reference: DriftReference
    inputs: int
    samples_per_input: tuple[float, ...]

    def samples(self, results: int, channel: int | None = None) -> float:
        """Return how many samples a comparison of `results` inputs with this baseline rests on.

        Both sides are estimates: their variances add up. Without a channel an input is one sample, as its class is.
        """
        worth = 1.0 if channel is None else self.samples_per_input[channel]
        return worth / (1.0 / max(results, 1) + 1.0 / max(self.inputs, 1))
