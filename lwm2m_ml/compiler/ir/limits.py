"""Bounds on what a model may ask for: no microcontroller runs more, and hostile shapes must not take our memory."""

import math
from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel
from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.graph import Graph
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfState
from lwm2m_ml.compiler.ir.signals import Spectrogram

MAXIMUM_ELEMENTS = 1 << 24
MAXIMUM_OPERATIONS = 10_000
# Results times operands of each: a second of a fast microcontroller is a hundredth of this.
_MAXIMUM_WORK = 1 << 31
# Of a whole model: everything that it computes for one sample, and everything that it brings.
MAXIMUM_COMPUTED_ELEMENTS = 1 << 25
MAXIMUM_CONSTANT_BYTES = 1 << 24


def check_elements(shape: Sequence[int], what: str) -> None:
    """Raise ModelTooLarge for a shape beyond what could ever run on a microcontroller."""
    elements = math.prod(shape)
    if elements > MAXIMUM_ELEMENTS:
        raise ModelTooLarge(
            f"{what} has the shape {'×'.join(map(str, shape))}, {elements:,} elements",
            hint=f"At most {MAXIMUM_ELEMENTS:,} elements are possible",
        )


def check_graph(graph: Graph) -> None:
    """Raise ModelTooLarge for a model that computes or brings more than any microcontroller could hold in turn."""
    computed = sum(tensor.elements for tensor in graph.tensors.values() if not tensor.is_constant)
    constant = sum(tensor.bytes for tensor in graph.tensors.values() if tensor.is_constant)
    work = sum(
        graph.result(operation).elements
        * _operands_per_result(operation.kind, [operand.shape for operand in graph.operands(operation)])
        for operation in graph.operations
    )
    for what, found, most in (
        ("would take {:,} multiplications", work, _MAXIMUM_WORK),
        ("computes {:,} elements for a sample", computed, MAXIMUM_COMPUTED_ELEMENTS),
        ("holds {:,} bytes of constants", constant, MAXIMUM_CONSTANT_BYTES),
    ):
        if found > most:
            raise ModelTooLarge(f"The model {what.format(found)}", hint=f"At most {most:,} are possible")


def check_finite(graph: Graph) -> None:
    """Raise UnreadableModel for a constant that is infinite or undefined, or became so when layers were joined."""
    for tensor in graph.tensors.values():
        if tensor.is_constant and tensor.dtype is DataType.FLOAT32 and not numpy.isfinite(tensor.values).all():
            raise UnreadableModel(f"Constant {tensor.name} holds infinite or undefined numbers")


def check_work(kind: Kind, shapes: Sequence[Sequence[int]], result: Sequence[int]) -> None:
    """Raise ModelTooLarge for an operation whose padded operand or number of multiplications is absurd."""
    name = type(kind).__name__
    if isinstance(kind, kinds.Convolution | kinds.DepthwiseConvolution | kinds.AveragePool | kinds.MaxPool):
        batch, height, width, channels = shapes[0]
        padding = kind.padding
        padded = (batch, height + padding.top + padding.bottom, width + padding.left + padding.right, channels)
        check_elements(padded, f"The padded operand of {name}")
    work = math.prod(result) * _operands_per_result(kind, shapes)
    if work > _MAXIMUM_WORK:
        raise ModelTooLarge(
            f"{name} would take {work:,} multiplications", hint=f"At most {_MAXIMUM_WORK:,} are possible"
        )


def _operands_per_result(kind: Kind, shapes: Sequence[Sequence[int]]) -> int:
    if isinstance(kind, kinds.Convolution | kinds.TransposeConvolution | kinds.FullyConnected):
        return math.prod(shapes[1][1:])
    if isinstance(kind, Lstm | Gru):
        return (4 if isinstance(kind, Lstm) else 3) * (shapes[1][1] + shapes[2][1])
    if isinstance(kind, SvdfState):
        return shapes[1][1]
    if isinstance(kind, kinds.DepthwiseConvolution):
        return math.prod(shapes[1][:2])
    if isinstance(kind, kinds.AveragePool | kinds.MaxPool):
        return math.prod(kind.window)
    return kind.fft_length if isinstance(kind, Spectrogram) else 1
