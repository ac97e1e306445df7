"""How good an integer graph is: accuracy beside the float graph's, and the signal to noise of each layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.arithmetic import dequantize_values
from lwm2m_ml.compiler.errors import CalibrationError
from lwm2m_ml.compiler.interpreter import run, run_all
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Tensor
from lwm2m_ml.compiler.ir.kinds import OUTPUT_AXIS
from lwm2m_ml.compiler.quantize.encoding import encoded
from lwm2m_ml.compiler.quantize.parameters import LARGEST_INT4
from lwm2m_ml.compiler.quantize.settings import Precision

# What an exact copy is given instead of infinity.
LARGEST_DECIBELS = 200.0
# All tensors of the float graph for so many samples are kept: a quarter of a gigabyte.
_NOISE_ELEMENTS = 1 << 26


@dataclass(frozen=True, slots=True)
class LayerQuality:
    """One layer of an integer graph: the noise of its result, that of the layers before it included."""

    result: str
    name: str
    kind: str
    precision: str
    signal_to_noise_db: float


@dataclass(frozen=True, slots=True)
class Quality:
    """What quantisation cost. Accuracies are in per cent, None without labels."""

    layers: tuple[LayerQuality, ...]
    samples: int
    float_accuracy: float | None
    accuracy: float | None

    @property
    def loss_points(self) -> float | None:
        """Per cent of the samples by which the accuracy fell."""
        if self.float_accuracy is None or self.accuracy is None:
            return None
        return self.float_accuracy - self.accuracy

    @property
    def signal_to_noise_db(self) -> float:
        """That of the worst answer: of the layers that compute outputs."""
        return min((layer.signal_to_noise_db for layer in self.layers), default=LARGEST_DECIBELS)


class QualityMeasure:
    """The float graph's answers, computed once, beside which integer graphs are measured.

    Samples are of the only input, axis 0 counting them; signal to noise is told from the first of them, as many as fit
    comfortably into memory.
    """

    def __init__(self, real: Graph, samples: Array, labels: Array | None) -> None:
        elements = sum(tensor.elements for tensor in real.tensors.values() if not tensor.is_constant)
        self._real, self._samples, self._labels = real, samples, labels
        self._some = samples[: max(1, _NOISE_ELEMENTS // elements)]
        self._expected = run_all(real, {real.inputs[0]: self._some})
        self._accuracy = None
        if labels is not None:
            answers = run(real, {real.inputs[0]: samples})[real.outputs[0]]
            self._accuracy = accuracy_percent(answers, labels)

    def of(self, integer: Graph) -> Quality:
        """How an integer graph does."""
        return Quality(
            layers=tuple(_layers(self._real, integer, self.noise(integer))),
            samples=len(self._samples),
            float_accuracy=self._accuracy,
            accuracy=self._integer_accuracy(integer),
        )

    def noise(self, integer: Graph, names: tuple[str, ...] | None = None) -> Mapping[str, float]:
        """The share of noise of tensors, of all that both graphs compute by default."""
        given = {integer.inputs[0]: encoded(integer.tensor(integer.inputs[0]), self._some)}
        found = run_all(integer, given, keep=names)
        return {
            name: noise_share(values, real_values(integer.tensor(name), found[name]))
            for name, values in self._expected.items()
            if name in found
        }

    def _integer_accuracy(self, integer: Graph) -> float | None:
        if self._labels is None:
            return None
        output = integer.tensor(integer.outputs[0])
        given = {integer.inputs[0]: encoded(integer.tensor(integer.inputs[0]), self._samples)}
        return accuracy_percent(real_values(output, run(integer, given)[output.name]), self._labels)


def measure_quality(real: Graph, integer: Graph, samples: Array, labels: Array | None) -> Quality:
    """How one integer graph does beside its float graph."""
    return QualityMeasure(real, samples, labels).of(integer)


def _layers(real: Graph, integer: Graph, noise: Mapping[str, float]) -> list[LayerQuality]:
    made = integer.producers()
    layers = []
    for operation in real.operations:
        if operation.output not in noise:
            continue
        own = made[operation.output]
        layers.append(
            LayerQuality(
                operation.output,
                operation.name,
                operation.kind_name,
                _precision(integer, own),
                decibels(noise[operation.output]),
            )
        )
    return layers


def _precision(integer: Graph, operation: Operation) -> str:
    """What a layer of the integer graph computes in."""
    if operation.kind_name == "Quantize":
        return Precision.FLOAT32.value
    if integer.result(operation).dtype is DataType.INT16:
        return Precision.INT16.value
    layer = type(operation.kind) in OUTPUT_AXIS
    few = layer and int(numpy.abs(integer.tensor(operation.inputs[1]).values).max()) <= LARGEST_INT4
    return Precision.INT4.value if few else Precision.INT8.value


def real_values(tensor: Tensor, values: Array) -> Array:
    """The real numbers that a tensor's values stand for."""
    if tensor.dtype is DataType.FLOAT32 or tensor.quantization is None:
        return values
    return dequantize_values(values, tensor.quantization.scale, tensor.quantization.zero_point)


def noise_share(expected: Array, found: Array) -> float:
    """The power of the difference as a share of the power of what was expected."""
    signal = float(numpy.square(expected, dtype=numpy.float64).sum())
    noise = float(numpy.square(expected.astype(numpy.float64) - found).sum())
    return noise / signal if signal > 0 else float(noise > 0)


def decibels(noise: float) -> float:
    """A share of noise as signal to noise in decibels."""
    return LARGEST_DECIBELS if noise <= 0 else min(LARGEST_DECIBELS, float(-10 * numpy.log10(noise)))


def accuracy_percent(answers: Array, labels: Array) -> float:
    """How many answers are right: the largest of several scores, or one probability on the right side of a half."""
    scores = answers.reshape(len(answers), -1)
    if len(labels) != len(scores):
        raise CalibrationError(f"There are {len(labels)} labels for {len(scores)} samples")
    found = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] >= 0.5).astype(int)
    return 100.0 * float((found == labels).mean())
