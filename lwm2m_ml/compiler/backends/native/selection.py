"""Chooses a kernel for every layer."""

from collections.abc import Iterator, Sequence

from lwm2m_ml.compiler.backends.native.arena import Step
from lwm2m_ml.compiler.backends.native.kernel import Kernel
from lwm2m_ml.compiler.backends.native.kernels import (
    convolution,
    depthwise,
    elementwise,
    floating,
    fully_connected,
    mean,
    movement,
    packed,
    parametric_relu,
    pooling,
    recurrent,
    resizing,
    softmax,
    svdf,
    transpose_convolution,
)
from lwm2m_ml.compiler.backends.native.kernels.armv7em import convolution as armv7em_convolution
from lwm2m_ml.compiler.backends.native.kernels.armv7em import depthwise as armv7em_depthwise
from lwm2m_ml.compiler.backends.native.kernels.armv7em import fully_connected as armv7em_fully_connected
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_helium
from lwm2m_ml.compiler.backends.native.kernels.scalar import convolution as scalar_convolution
from lwm2m_ml.compiler.backends.native.kernels.scalar import depthwise as scalar_depthwise
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import DataType, Graph
from lwm2m_ml.compiler.ir.types import WIDE_LAYERS
from lwm2m_ml.compiler.targets import Target

KERNELS: Sequence[Kernel] = (
    *armv7em_convolution.KERNELS,
    *armv7em_depthwise.KERNELS,
    *armv7em_fully_connected.KERNELS,
    *scalar_convolution.KERNELS,
    *scalar_depthwise.KERNELS,
    *convolution.KERNELS,
    *depthwise.KERNELS,
    *fully_connected.KERNELS,
    *packed.KERNELS,
    *pooling.KERNELS,
    *elementwise.KERNELS,
    *softmax.KERNELS,
    *transpose_convolution.KERNELS,
    *mean.KERNELS,
    *parametric_relu.KERNELS,
    *recurrent.KERNELS,
    *svdf.KERNELS,
    *resizing.KERNELS,
    *movement.KERNELS,
)

# These look at the element types themselves.
WIDE_KERNELS: Sequence[Kernel] = (*convolution.KERNELS, *depthwise.KERNELS, *fully_connected.KERNELS)

# Where dot products have sixteen products per instruction, they are what to begin with.
HELIUM_KERNELS: Sequence[Kernel] = tuple(dict.fromkeys((*scalar_convolution.KERNELS, *KERNELS)))


def candidates(layer: Layer) -> Iterator[Kernel]:
    """The kernels that can compute a layer, the preferred ones first."""
    return (kernel for kernel in _offered(layer) if kernel.accepts(layer))


def _offered(layer: Layer) -> Sequence[Kernel]:
    types = (layer.result.dtype, layer.operands[0].dtype)
    if DataType.FLOAT32 in types:
        return floating.KERNELS
    if DataType.INT16 in types and isinstance(layer.kind, WIDE_LAYERS):
        return WIDE_KERNELS
    return HELIUM_KERNELS if has_helium(layer.target) else KERNELS


def select(graph: Graph, target: Target, optimize: str) -> tuple[Step, ...]:
    """One step per operation."""
    return tuple(_step(Layer(graph, operation, target, optimize)) for operation in graph.operations)


def _step(layer: Layer) -> Step:
    kernel = next(candidates(layer), None)
    if kernel is None:
        why = f"no kernel computes it in {layer.result.dtype.value}"
        raise UnsupportedOperator(layer.operation.kind_name, layer.operation.name, why=why)
    return Step(layer, kernel)
