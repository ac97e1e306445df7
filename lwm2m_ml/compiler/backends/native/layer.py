"""One operation as a kernel sees it: its kind, its tensors, and the target."""

import math
from dataclasses import dataclass
from functools import cached_property

from lwm2m_ml.compiler.ir import Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfResult
from lwm2m_ml.compiler.ir.trees import TreeEnsemble
from lwm2m_ml.compiler.reference.requantization import Requantization, layer_requantization
from lwm2m_ml.compiler.targets import Target


@dataclass(frozen=True)
class Layer:
    """An operation of an int8 graph, to be computed on a target.

    A layer with a `feeder` computes that layer too: the feeder's result, its own first operand, is never in memory.
    """

    graph: Graph
    operation: Operation
    target: Target
    optimize: str = "balanced"
    feeder: "Layer | None" = None

    @property
    def kind(self) -> Kind:
        """What the operation computes."""
        return self.operation.kind

    @cached_property
    def operands(self) -> tuple[Tensor, ...]:
        """What it reads."""
        return self.graph.operands(self.operation)

    @property
    def reads(self) -> tuple[Tensor, ...]:
        """The operands that are in memory: of a layer with weights and bias the first only."""
        if self.feeder is not None:
            return self.feeder.reads
        weighted = type(self.kind) in kinds.OUTPUT_AXIS or isinstance(self.kind, Lstm | Gru | SvdfResult | TreeEnsemble)
        return self.operands[:1] if weighted else self.operands

    @cached_property
    def result(self) -> Tensor:
        """What it writes."""
        return self.graph.result(self.operation)

    @cached_property
    def requantization(self) -> Requantization:
        """How its sums become int8; for convolutions and fully connected layers."""
        return layer_requantization(self.graph, self.operation)

    @property
    def macs(self) -> int:
        """Multiplications of a weight with an operand."""
        return self._own_macs + (self.feeder.macs if self.feeder is not None else 0)

    @property
    def _own_macs(self) -> int:
        kind = self.kind
        if isinstance(kind, kinds.Convolution | kinds.FullyConnected):
            return self.result.elements * math.prod(self.operands[1].shape[1:])
        if isinstance(kind, kinds.TransposeConvolution):
            return self.operands[0].elements * math.prod(self.operands[1].shape[:3])
        if isinstance(kind, kinds.DepthwiseConvolution):
            return self.result.elements * math.prod(self.operands[1].shape[:2])
        return 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants among the operands."""
        own = sum(operand.bytes for operand in self.operands if operand.is_constant)
        return own + (self.feeder.weight_bytes if self.feeder is not None else 0)
