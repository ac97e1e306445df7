"""Which tensors must share one quantisation: operands and results of operations that only move values."""

from lwm2m_ml.compiler.ir import Graph, Quantization, kinds
from lwm2m_ml.compiler.ir.kinds import UnaryFunction
from lwm2m_ml.compiler.quantize.calibration import Range

# What TfLite fixes: softmax and logistic give 0…1, tanh gives -1…1.
_UNIT = Quantization.per_tensor(1 / 256, -128)
_SIGNED_UNIT = Quantization.per_tensor(1 / 128, 0)


def fixed_quantization(kind: kinds.Kind) -> Quantization | None:
    """The quantisation that a kind of operation always gives to its result."""
    if isinstance(kind, kinds.Softmax):
        return _UNIT
    if isinstance(kind, kinds.Unary):
        return {UnaryFunction.LOGISTIC: _UNIT, UnaryFunction.TANH: _SIGNED_UNIT}.get(kind.function)
    return None


def shares_quantization(kind: kinds.Kind) -> bool:
    """Whether codes are only moved, or compared with each other, which makes sense under one quantisation only."""
    extremes = (kinds.BinaryFunction.MINIMUM, kinds.BinaryFunction.MAXIMUM)
    return isinstance(kind, kinds.MOVES) or (isinstance(kind, kinds.Binary) and kind.function in extremes)


class SharedRanges:
    """Groups of tensors that share a quantisation, and the range of each group."""

    def __init__(self, graph: Graph, ranges: dict[str, Range]) -> None:
        self._parents = {name: name for name in graph.tensors}
        for operation in graph.operations:
            if shares_quantization(operation.kind):
                for name in operation.inputs:
                    self._join(name, operation.output)
        self._ranges: dict[str, Range] = {}
        self._fixed: dict[str, Quantization] = {}
        for name, found in ranges.items():
            group = self._find(name)
            self._ranges[group] = found.joined(self._ranges.get(group, found))
        for operation in graph.operations:
            fixed = fixed_quantization(operation.kind)
            if fixed is not None:
                self._fixed[self._find(operation.output)] = fixed
        for name, tensor in graph.tensors.items():
            if tensor.quantization is not None and tensor.quantization.axis is None and not tensor.is_constant:
                self._fixed[self._find(name)] = tensor.quantization

    def group_of(self, name: str) -> str:
        """The name of one tensor that stands for all that share with this one."""
        return self._find(name)

    def range_of(self, name: str) -> Range:
        """The range of all tensors that share with this one."""
        return self._ranges[self._find(name)]

    def fixed(self, name: str) -> Quantization | None:
        """The quantisation that the group must have, if any."""
        return self._fixed.get(self._find(name))

    def _find(self, name: str) -> str:
        while self._parents[name] != name:
            self._parents[name] = self._parents[self._parents[name]]
            name = self._parents[name]
        return name

    def _join(self, one: str, other: str) -> None:
        self._parents[self._find(one)] = self._find(other)
