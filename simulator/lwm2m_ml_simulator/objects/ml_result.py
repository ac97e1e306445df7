"""Object 42771, ML Inference Result: what the module of one slot decided last, and how often it decided what."""

from aiocoap import Code

from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml_simulator.device.object_ids import ML_MODEL, ML_RESULT
from lwm2m_ml_simulator.inference.figures import NO_DECISION, Result, SlotFigures
from lwm2m_ml_simulator.inference.inference import InferenceEngine
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, OperationRefused, executable, readable

_REMEMBERED_RESULTS = 64


class MlResult(ObjectInstance):
    """The first output of the module in the slot with the same number."""

    object_id = ML_RESULT

    def __init__(self, slot: int, engine: InferenceEngine) -> None:
        super().__init__(slot)
        self._engine = engine
        self.captured: ObjectLink | None = None
        self._decided: dict[int, int] = {}
        self._agreed = 0
        self._judged = 0

    def remember(self, result: Result) -> None:
        """Keep a result for feedback that may come later, among those of its series."""
        if result.number == 1:
            self._decided.clear()
        self._decided[result.number] = result.decided
        if len(self._decided) > _REMEMBERED_RESULTS:
            del self._decided[next(iter(self._decided))]

    @property
    def _figures(self) -> SlotFigures:
        return self._engine.figures(self.instance_id)

    @readable(0)
    def model(self) -> ObjectLink:
        """Model."""
        return ObjectLink(ML_MODEL, self.instance_id)

    @readable(1)
    def decided_class(self) -> int:
        """Class, -1 for no decision."""
        return self._figures.last.decided if self._figures.last else NO_DECISION

    @readable(2)
    def label(self) -> str | None:
        """Label."""
        return self._figures.last.label if self._figures.last else None

    @readable(3)
    def confidence(self) -> float | None:
        """Confidence in percent."""
        return self._figures.last.confidence if self._figures.last else None

    @readable(4)
    def scores(self) -> dict[int, float] | None:
        """Scores in percent, by class."""
        return dict(enumerate(self._figures.last.scores)) if self._figures.last else None

    @readable(5)
    def result_number(self) -> int:
        """Result Number."""
        return self._figures.last.number if self._figures.last else 0

    @readable(6)
    def class_counts(self) -> dict[int, int] | None:
        """Class Counts since Reset."""
        return dict(self._figures.results.class_counts) or None

    @readable(7)
    def undecided_count(self) -> int:
        """No-Decision Count since Reset."""
        return self._figures.results.undecided

    @readable(8)
    def input_mean(self) -> dict[int, float] | None:
        """Input Mean by channel."""
        return {number: moments.mean for number, moments in enumerate(self._figures.results.inputs)} or None

    @readable(9)
    def input_deviation(self) -> dict[int, float] | None:
        """Input Deviation by channel."""
        return {number: moments.deviation for number, moments in enumerate(self._figures.results.inputs)} or None

    @executable(10)
    def feedback(self, arguments: Arguments) -> None:
        """Feedback: result number and true class, and perhaps the series of the number."""
        try:
            number, true_class = int(arguments[0] or ""), int(arguments[1] or "")
            series = int(arguments.get(2) or self._figures.series)
        except (KeyError, ValueError) as error:
            raise OperationRefused(Code.BAD_REQUEST, "feedback is 0='result number',1='true class'") from error
        if series != self._figures.series:
            raise OperationRefused(Code.NOT_FOUND, f"series {series} is over")
        if number not in self._decided:
            raise OperationRefused(Code.NOT_FOUND, f"result {number} is not remembered")
        self._judged += 1
        self._agreed += self._decided.pop(number) == true_class

    @executable(11)
    def capture(self, arguments: Arguments) -> None:
        """Capture the next input into object 19."""
        self._engine.capture_next(self.instance_id)

    @readable(12)
    def captured_input(self) -> ObjectLink | None:
        """Captured Input."""
        return self.captured

    @executable(13)
    def reset(self, arguments: Arguments) -> None:
        """Reset counts and moments."""
        self._figures.results = type(self._figures.results)()
        self._figures.reset_drift()
        self._agreed = self._judged = 0

    @readable(14)
    def agreement(self) -> float | None:
        """Agreement in percent of the results that got feedback."""
        return 100.0 * self._agreed / self._judged if self._judged else None

    @readable(15)
    def input_histogram(self) -> dict[int, int] | None:
        """Input Histogram: all bins of the first channel, then those of the next; edges are in the descriptor."""
        drift = self._figures.drift
        return dict(enumerate(drift.histogram)) if drift is not None else None

    @readable(16)
    def result_series(self) -> int | None:
        """Result Series: which numbering the last result's number belongs to."""
        return self._figures.last.series if self._figures.last else None
