"""Small graphs that the conformance suite compiles: each of a few operations, weights random and seeded."""

from collections.abc import Callable, Mapping

import numpy

from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, kinds, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Kind, Padding, UnaryFunction

_SEED = 20_261_130
_SCALE, _ZERO_POINT = 0.05, -7
_SAME = Padding(1, 1, 1, 1)


class _Sketch:
    """A graph in the making: one input, one layer after the other."""

    def __init__(self, shape: tuple[int, ...], dtype: DataType) -> None:
        self._builder = GraphBuilder()
        self._random = numpy.random.default_rng(_SEED)
        self._real = dtype is DataType.FLOAT32
        self._input = self._builder.variable("input", shape, dtype, self._quantization())
        self.last = self._input

    def layer(self, kind: Kind, weights: tuple[int, ...], *, axis: int = 0) -> str:
        """Add a layer with weights and a bias."""
        channels = weights[axis]
        if self._real:
            values = self._random.normal(0, 0.3, weights).astype(numpy.float32)
            operands = [self._builder.constant("w", values)]
            operands.append(self._builder.constant("b", self._random.normal(0, 1, channels).astype(numpy.float32)))
            return self.step(kind, [self.last, *operands])
        codes = self._random.integers(-127, 128, weights).astype(numpy.int8)
        scales = tuple(float(scale) for scale in self._random.uniform(0.002, 0.01, channels).astype(numpy.float32))
        bias = self._random.integers(-3000, 3000, channels).astype(numpy.int32)
        operands = [self._builder.constant("w", codes, Quantization(scales, (0,) * channels, axis))]
        return self.step(kind, [self.last, *operands, self._builder.constant("b", bias)])

    def step(
        self, kind: Kind, inputs: list[str] | None = None, *, scale: float = _SCALE, zero: int = _ZERO_POINT
    ) -> str:
        """Add an operation."""
        quantization = self._quantization(scale, zero)
        self.last = self._builder.add(kind, inputs or [self.last], "v", quantization=quantization)
        return self.last

    def graph(self) -> Graph:
        """The finished graph."""
        graph = self._builder.finish([self._input], [self.last])
        verify(graph, after="making a conformance model")
        return graph

    def _quantization(self, scale: float = _SCALE, zero: int = _ZERO_POINT) -> Quantization | None:
        return None if self._real else Quantization.per_tensor(scale, zero)


def _perceptron(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 12), dtype)
    sketch.layer(kinds.FullyConnected(Activation.RELU), (9, 12))
    sketch.layer(kinds.FullyConnected(), (4, 9))
    return sketch.graph()


def _odd_sizes(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 1), dtype)
    sketch.layer(kinds.FullyConnected(), (1, 1))
    return sketch.graph()


def _images(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 7, 5, 3), dtype)
    sketch.layer(kinds.Convolution((2, 1), _SAME, activation=Activation.RELU), (6, 3, 3, 3))
    sketch.layer(kinds.DepthwiseConvolution((1, 1), _SAME), (3, 3, 6), axis=2)
    sketch.step(kinds.MaxPool((2, 2), (2, 2)))
    return sketch.graph()


def _residual(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 4, 4, 4), dtype)
    first = sketch.layer(kinds.Convolution(activation=Activation.RELU), (4, 1, 1, 4))
    second = sketch.layer(kinds.Convolution(), (4, 1, 1, 4))
    sketch.step(kinds.Binary(BinaryFunction.ADD, Activation.RELU), [first, second])
    return sketch.graph()


def _classifier(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 4, 4, 4), dtype)
    sketch.step(kinds.AveragePool((4, 4), (4, 4)))
    sketch.step(kinds.Reshape((1, 4)))
    sketch.layer(kinds.FullyConnected(), (5, 4))
    sketch.step(kinds.Softmax(), scale=1 / 256, zero=-128)
    return sketch.graph()


def _curves(dtype: DataType) -> Graph:
    sketch = _Sketch((1, 20), dtype)
    sketch.step(kinds.Unary(UnaryFunction.LOGISTIC), scale=1 / 256, zero=-128)
    return sketch.graph()


MODELS: Mapping[str, Callable[[DataType], Graph]] = {
    "perceptron": _perceptron,
    "one weight": _odd_sizes,
    "images": _images,
    "residual": _residual,
    "classifier": _classifier,
    "curve": _curves,
}
