"""Where plain int8 loses too much: finer layers, those first that help most, until the loss is as small as wanted."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.quantize.post_training import Calibrated, calibrate, prepared
from lwm2m_ml.compiler.quantize.quality import Quality, QualityMeasure
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.quantize.wide import can_be_wide

_FINER = {
    Precision.INT4: Precision.INT8,
    Precision.INT8: Precision.INT16,
    Precision.INT16: Precision.FLOAT32,
}


@dataclass(frozen=True, slots=True)
class Quantized:
    """An integer graph, how it came to be and how good it is."""

    graph: Graph
    settings: QuantizationSettings
    quality: Quality


def quantize_for(
    real: Graph, data: Dataset, settings: QuantizationSettings, *, test: Dataset, most_points: float | None = None
) -> Quantized:
    """Quantise with the samples of `data` and measure with those of `test`.

    If the accuracy falls by more than `most_points`, layers become finer one by one, those first that take most noise
    from the answer; in the end all would be float32, which loses nothing.
    """
    calibrated = calibrate(real, data.samples, settings)
    measure = QualityMeasure(prepared(real, settings), test.samples, test.labels)
    found = _measured(calibrated, measure, settings)
    while most_points is not None and not _good(found.quality, most_points):
        ranking = _ranking(calibrated, measure, found.settings)
        if not ranking:
            break
        for name, precision in ranking:
            found = _measured(calibrated, measure, _with(found.settings, name, precision))
            if _good(found.quality, most_points):
                break
    return found


def _measured(calibrated: Calibrated, measure: QualityMeasure, settings: QuantizationSettings) -> Quantized:
    graph = calibrated.quantized(settings)
    return Quantized(graph, settings, measure.of(graph))


def _good(quality: Quality, most_points: float) -> bool:
    return quality.loss_points is None or quality.loss_points <= most_points + 1e-9


def _with(settings: QuantizationSettings, name: str, precision: Precision) -> QuantizationSettings:
    return replace(settings, precisions={**settings.precisions, name: precision})


def _ranking(
    calibrated: Calibrated, measure: QualityMeasure, settings: QuantizationSettings
) -> list[tuple[str, Precision]]:
    """Every layer that can be finer, with its next precision, in the order of the noise that the answer then has."""
    outputs = calibrated.graph.outputs

    def noise(step: tuple[str, Precision]) -> float:
        graph = calibrated.quantized(_with(settings, *step))
        return max(measure.noise(graph, outputs).values())

    names = (operation.output for operation in calibrated.graph.operations)
    steps = [(name, finer) for name in names if (finer := _finer(calibrated, settings, name)) is not None]
    return sorted(steps, key=noise)


def _finer(calibrated: Calibrated, settings: QuantizationSettings, name: str) -> Precision | None:
    """The next precision of a layer; 16 bits only where a tensor can have them."""
    finer = _FINER.get(settings.of(name))
    if finer is Precision.INT16 and not can_be_wide(calibrated.graph, calibrated.shared, settings, name):
        return Precision.FLOAT32
    return finer
