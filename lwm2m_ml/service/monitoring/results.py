"""Inference results: what devices send of ML Inference Result, checked, typed, stored and queried."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.service.resources import ModelResource, ResultResource

MAXIMUM_SCORES = 1024
MAXIMUM_NUMBER = (1 << 63) - 1
MAXIMUM_CLASS = 1_000_000
MAXIMUM_LABEL = 128
MAXIMUM_LATENCY = 3.6e6
MAXIMUM_ENERGY = 1e6
MAXIMUM_RESULTS_PER_MESSAGE = 256
FARTHEST = 366 * 86_400.0
"""How far from their arrival results may have been made, in seconds."""
NO_DECISION = -1


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """One inference. `scores` and `confidence` in percent, `latency` in ms, `energy` in J, time in Unix seconds.

    `class_index` is -1 when the model made no decision; `slot` is the instance of ML Model and `sequence` the sequence
    number of the module in it, where the device told. `model` and `version` are empty while it is not known which
    module made the result; `lost` is how many results before it are missing, `id` its place in the store. `series` says
    which numbering the number belongs to, 0 where the device does not tell.
    """

    endpoint: str
    number: int
    class_index: int
    label: str = ""
    confidence: float | None = None
    scores: tuple[float, ...] = ()
    latency: float | None = None
    received_at: float = 0.0
    slot: int = 0
    sequence: int | None = None
    energy: float | None = None
    model: str = ""
    version: str = ""
    lost: int = 0
    id: int = 0
    series: int = 0


@dataclass(frozen=True, slots=True)
class ModuleFigures:
    """What a message tells of the module in one slot besides its results; None where it does not."""

    sequence: int | None = None
    latency: float | None = None
    energy: float | None = None


_NO_FIGURES = ModuleFigures()


class AbsurdValue(ValueError):
    """A value that no inference can have; the result it belongs to is dropped and counted."""


class ResultReader:
    """Turns sent records into results; counts what it drops and why."""

    def __init__(self, result_object: int, model_object: int) -> None:
        self._result_object = result_object
        self._model_object = model_object
        self.dropped: Counter[str] = Counter()

    def read(self, endpoint: str, records: Sequence[Record], received_at: float) -> tuple[InferenceResult, ...]:
        """Return the results in one message, in order; several inferences in one message differ by their timestamps."""
        figures = self._figures(records)
        results: list[InferenceResult] = []
        groups = list(self._grouped(records, received_at).items())
        if len(groups) > MAXIMUM_RESULTS_PER_MESSAGE:
            self.dropped["too many in one message"] += len(groups) - MAXIMUM_RESULTS_PER_MESSAGE
        for group, values in groups[:MAXIMUM_RESULTS_PER_MESSAGE]:
            try:
                result = _result(endpoint, values, group, figures)
            except AbsurdValue as error:
                self.dropped[str(error)] += 1
                continue
            if result is not None:
                results.append(result)
        return tuple(results)

    def _grouped(
        self, records: Sequence[Record], received_at: float
    ) -> dict[tuple[int, float], dict[ObjectPath, Value | None]]:
        """Put together what belongs to one inference: same instance, same moment.

        A clock that is absurd counts as the moment of arrival.
        """
        groups: dict[tuple[int, float], dict[ObjectPath, Value | None]] = {}
        absurd: set[int] = set()
        for record in records:
            path = record.path
            if path.object_id != self._result_object or path.instance_id is None or path.resource_id is None:
                continue
            moment = record.absolute_time(received_at)
            if not abs(moment - received_at) <= FARTHEST:  # so written, it holds for what is not a number, too
                absurd.add(path.instance_id)
                moment = received_at
            groups.setdefault((path.instance_id, moment), {})[path] = record.value
        if absurd:
            self.dropped["time"] += len(absurd)
        return groups

    def _figures(self, records: Sequence[Record]) -> dict[int, ModuleFigures]:
        """Return what came of each slot with the results; what is absurd is dropped, the results stay."""
        told: dict[int, dict[str, Any]] = {}
        for record in records:
            path = record.path
            entry = _FIGURES.get(path.resource_id) if path.object_id == self._model_object else None
            if entry is None or path.instance_id is None:
                continue
            name, read = entry
            try:
                told.setdefault(path.instance_id, {})[name] = read(record.value)
            except AbsurdValue as error:
                self.dropped[str(error)] += 1
        return {slot: ModuleFigures(**values) for slot, values in told.items()}


def _result(
    endpoint: str,
    values: Mapping[ObjectPath, Value | None],
    group: tuple[int, float],
    figures: Mapping[int, ModuleFigures],
) -> InferenceResult | None:
    """Make one result; None when the records hold no class or no number, so that it is not one.

    Without a link to its model, a result is of the only model that the message tells of, else of the slot with the
    number of its instance.
    """
    single: dict[int, Value | None] = {}
    scores: dict[int, Value | None] = {}
    for path, value in values.items():
        if path.resource_id == ResultResource.SCORES and path.resource_instance_id is not None:
            scores[path.resource_instance_id] = value
        elif path.resource_id is not None:
            single[path.resource_id] = value
    if ResultResource.CLASS not in single or ResultResource.RESULT_NUMBER not in single:
        return None
    label, model = single.get(ResultResource.LABEL), single.get(ResultResource.MODEL)
    confidence = single.get(ResultResource.CONFIDENCE)
    slot = next(iter(figures)) if len(figures) == 1 else group[0]
    if isinstance(model, ObjectLink) and not model.is_null:
        slot = model.instance_id
    told = figures.get(slot, _NO_FIGURES)
    return InferenceResult(
        endpoint=endpoint,
        number=_integer("number", single[ResultResource.RESULT_NUMBER], 0, MAXIMUM_NUMBER),
        class_index=_integer("class", single[ResultResource.CLASS], NO_DECISION, MAXIMUM_CLASS),
        label=label[:MAXIMUM_LABEL] if isinstance(label, str) else "",
        confidence=None if confidence is None else _number("confidence", confidence, 0.0, 100.0),
        scores=_scores(scores),
        latency=told.latency,
        received_at=group[1],
        slot=slot,
        sequence=told.sequence,
        energy=told.energy,
        series=_integer("series", single.get(ResultResource.SERIES, 0), 0, MAXIMUM_NUMBER),
    )


def _scores(scores: Mapping[int, Value | None]) -> tuple[float, ...]:
    """Order the scores by class; a class that is missing in between makes them useless."""
    if len(scores) > MAXIMUM_SCORES or sorted(scores) != list(range(len(scores))):
        raise AbsurdValue("scores")
    return tuple(_number("scores", scores[index], 0.0, 100.0) for index in range(len(scores)))


def _number(what: str, value: Value | None, least: float, most: float) -> float:
    """Return a finite number in a range; NaN is in none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise AbsurdValue(what)
    return float(value)


def _integer(what: str, value: Value | None, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise AbsurdValue(what)
    return value


_FIGURES: Mapping[int | None, tuple[str, Callable[[Value | None], Any]]] = {
    ModelResource.SEQUENCE_NUMBER: ("sequence", lambda value: _integer("sequence number", value, 0, MAXIMUM_NUMBER)),
    ModelResource.LAST_LATENCY: ("latency", lambda value: _number("latency", value, 0.0, MAXIMUM_LATENCY)),
    ModelResource.MEAN_ENERGY: ("energy", lambda value: _number("energy", value, 0.0, MAXIMUM_ENERGY)),
}
"""Figures of ML Model that come with results: the member of `ModuleFigures`, and how its value is read."""
