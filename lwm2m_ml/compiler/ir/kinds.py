"""What an operation computes: one frozen dataclass per kind, its fields are the attributes.

Operand orders and layouts: images (N, H, W, C); convolution weights (O, KH, KW, I/groups); depthwise weights
(KH, KW, O); fully connected weights (O, I). A bias is the last operand of the three and always there.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfResult, SvdfState
from lwm2m_ml.compiler.ir.signals import Spectrogram
from lwm2m_ml.compiler.ir.training import (
    Carried,
    Checksum,
    CrossEntropy,
    Descent,
    HiddenGradient,
    Momentum,
    OutputGradient,
    ParameterGradient,
    Probabilities,
    Released,
    TrainableLayer,
)
from lwm2m_ml.compiler.ir.trees import TreeEnsemble


class Activation(Enum):
    """A function fused into the operation before it."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"

    @property
    def bounds(self) -> tuple[float, float]:
        """The real interval that the activation clamps to."""
        return _BOUNDS[self]


_INFINITY = float("inf")
_BOUNDS = {
    Activation.NONE: (-_INFINITY, _INFINITY),
    Activation.RELU: (0.0, _INFINITY),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Padding:
    """Rows and columns added around an image."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def is_zero(self) -> bool:
        """Whether nothing is added."""
        return not (self.top or self.bottom or self.left or self.right)


@dataclass(frozen=True, slots=True)
class Convolution:
    """Two-dimensional convolution of (input, weights, bias)."""

    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class DepthwiseConvolution:
    """Convolution of each channel by itself; output channel o reads input channel o // multiplier."""

    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    dilation: tuple[int, int] = (1, 1)
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class TransposeConvolution:
    """Each element of (input, weights, bias) adds its weighted window to a result of `size` rows and columns.

    `padding` is what is cut off around the result; the size cannot be told from the other facts, so it is given.
    """

    size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class FullyConnected:
    """Matrix product of (input (N, I), weights (O, I), bias (O)).

    Sums of integers are scaled with one rounding, as LiteRT does; with `rounds_twice` as TFLM does.
    """

    activation: Activation = Activation.NONE
    rounds_twice: bool = False


@dataclass(frozen=True, slots=True)
class AveragePool:
    """Mean over a window; padding does not count."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class MaxPool:
    """Maximum over a window; padding never wins."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over axes, which stay with length one."""

    axes: tuple[int, ...]


class BinaryFunction(Enum):
    """An elementwise function of two operands."""

    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True)
class Binary:
    """Elementwise function of two operands, broadcast as numpy does."""

    function: BinaryFunction
    activation: Activation = Activation.NONE


class UnaryFunction(Enum):
    """An elementwise function of one operand."""

    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"
    LEAKY_RELU = "leaky_relu"
    LOGISTIC = "logistic"
    TANH = "tanh"
    HARD_SWISH = "hard_swish"
    HARD_SIGMOID = "hard_sigmoid"
    ELU = "elu"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Unary:
    """Elementwise function of one operand; `alpha` is the slope of LEAKY_RELU below zero, the least operand of LOG."""

    function: UnaryFunction
    alpha: float = 0.0


@dataclass(frozen=True, slots=True)
class ParametricRelu:
    """The first operand where it is positive, else its product with the second, broadcast as numpy does."""


@dataclass(frozen=True, slots=True)
class ResizeNearest:
    """Rows and columns of images chosen one by one: row y of the result is row rows[y] of the operand."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResizeBilinear:
    """Images interpolated to `size` rows and columns, with TensorFlow Lite's two ways to align the grids."""

    size: tuple[int, int]
    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True, slots=True)
class Softmax:
    """Softmax over the last axis."""

    beta: float = 1.0


@dataclass(frozen=True, slots=True)
class BatchNormalization:
    """(input, scale, offset, mean, variance) along the last axis; passes turn it into a convolution."""

    epsilon: float


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same elements in the same order under another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axis i of the result is axis permutation[i] of the operand."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pad:
    """Add elements of one real value before and after each axis."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Join along an axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Elements begin, begin + step … before end, per axis; steps are positive."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    step: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Requantize:
    """The same real values under another quantisation."""


@dataclass(frozen=True, slots=True)
class Quantize:
    """Float32 values as int8."""


@dataclass(frozen=True, slots=True)
class Dequantize:
    """Int8 values as float32."""


Kind: TypeAlias = (
    Convolution
    | DepthwiseConvolution
    | TransposeConvolution
    | FullyConnected
    | AveragePool
    | MaxPool
    | Mean
    | Binary
    | Unary
    | ParametricRelu
    | ResizeNearest
    | ResizeBilinear
    | Softmax
    | BatchNormalization
    | Reshape
    | Transpose
    | Pad
    | Concatenate
    | Slice
    | Requantize
    | Quantize
    | Dequantize
    | Lstm
    | Gru
    | SvdfState
    | SvdfResult
    | TreeEnsemble
    | Spectrogram
    | Carried
    | TrainableLayer
    | Probabilities
    | CrossEntropy
    | OutputGradient
    | HiddenGradient
    | ParameterGradient
    | Momentum
    | Descent
    | Released
    | Checksum
)

# Kinds that only move or choose elements: operand and result share one quantisation.
MOVES = (MaxPool, AveragePool, ResizeNearest, ResizeBilinear, Reshape, Transpose, Pad, Concatenate, Slice)
# Kinds with weights and a bias, which kernels keep as constants of their own; the output channels' axis of the weights.
OUTPUT_AXIS: dict[type, int] = {Convolution: 0, DepthwiseConvolution: 2, TransposeConvolution: 0, FullyConnected: 0}
# Kinds with a field `activation` that a following rectifier can be fused into.
FUSES_ACTIVATION = (
    Convolution,
    DepthwiseConvolution,
    TransposeConvolution,
    FullyConnected,
    AveragePool,
    MaxPool,
    Binary,
)
