"""Compares what devices answered over LwM2M with the truth and with the compiler's integer reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.client.schemas import ReferenceAnswers, Result

PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Score:
    """How a device did on the images it was shown."""

    shown: int
    right: int
    reference_right: int
    bit_exact: bool


def score(
    results: Sequence[Result], shown: Mapping[int, int], labels: Sequence[int], answers: ReferenceAnswers
) -> Score:
    """Score results against labels and reference.

    `shown` tells for each result number which image was shown; `labels` and `answers.outputs` are indexed by image.
    Results without an image (from before the demonstration) do not count.
    """
    counted = [(result, shown[result.number]) for result in results if result.number in shown]
    return Score(
        shown=len(counted),
        right=sum(result.class_index == labels[image] for result, image in counted),
        reference_right=sum(best(answers.outputs[image]) == labels[image] for _, image in counted),
        bit_exact=bool(counted)
        and all(integers(result.scores, answers) == list(answers.outputs[image]) for result, image in counted),
    )


def integers(scores: Sequence[float], answers: ReferenceAnswers) -> list[int] | None:
    """The device's integer outputs, recovered from scores in percent; None when a score is none the module can give."""
    found = []
    for value in scores:
        exact = value / PERCENT / answers.scale + answers.zero_point
        if abs(exact - round(exact)) > 1e-3:
            return None
        found.append(round(exact))
    return found


def best(outputs: Sequence[int]) -> int:
    """The class with the highest output, the first of equals."""
    return max(range(len(outputs)), key=lambda index: outputs[index])
