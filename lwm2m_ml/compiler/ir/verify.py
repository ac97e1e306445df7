"""The rules that every graph obeys, checked before and after every pass."""

from lwm2m_ml.compiler.errors import InvalidGraph, WrongShape
from lwm2m_ml.compiler.ir import kinds, recurrent
from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.graph import Graph
from lwm2m_ml.compiler.ir.operation import Operation
from lwm2m_ml.compiler.ir.shapes import infer_shape
from lwm2m_ml.compiler.ir.tensor import Tensor
from lwm2m_ml.compiler.ir.training import TRAINING_OPERANDS
from lwm2m_ml.compiler.ir.trees import TreeEnsemble
from lwm2m_ml.compiler.ir.types import possible_results, wrong_operand

_OPERANDS: dict[type, range] = {
    kinds.Convolution: range(3, 4),
    kinds.DepthwiseConvolution: range(3, 4),
    kinds.TransposeConvolution: range(3, 4),
    kinds.FullyConnected: range(3, 4),
    kinds.ParametricRelu: range(2, 3),
    recurrent.Lstm: range(4, 5),
    recurrent.Gru: range(5, 6),
    recurrent.SvdfState: range(3, 4),
    recurrent.SvdfResult: range(3, 4),
    kinds.Binary: range(2, 3),
    kinds.BatchNormalization: range(5, 6),
    kinds.Concatenate: range(1, 1000),
    TreeEnsemble: range(6, 7),
    **TRAINING_OPERANDS,
}


def verify(graph: Graph, *, after: str) -> None:
    """Raise InvalidGraph, naming the step `after` which the rule was broken."""
    try:
        _verify_tensors(graph)
        _verify_order(graph)
        for operation in graph.operations:
            _verify_operation(graph, operation)
    except _Broken as broken:
        raise InvalidGraph(str(broken), after=after) from None


class _Broken(Exception):
    """A rule that does not hold."""


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise _Broken(rule)


def _verify_tensors(graph: Graph) -> None:
    for name, tensor in graph.tensors.items():
        _require(name == tensor.name, f"tensor {name} calls itself {tensor.name}")
        _require(all(length > 0 for length in tensor.shape), f"{name} has the shape {tensor.shape}")
        if tensor.data is not None:
            _require(tuple(tensor.data.shape) == tensor.shape, f"the data of {name} do not have its shape")
            _require(tensor.data.dtype == tensor.dtype.numpy, f"the data of {name} are {tensor.data.dtype}")
        _verify_quantization(tensor)


def _verify_quantization(tensor: Tensor) -> None:
    quantization = tensor.quantization
    if quantization is None:
        return
    count = len(quantization.scales)
    _require(count == len(quantization.zero_points), f"{tensor.name} has unequal numbers of scales and zero points")
    _require(all(0 < scale < float("inf") for scale in quantization.scales), f"{tensor.name} has a scale out of range")
    if quantization.axis is None:
        _require(count == 1, f"{tensor.name} has {count} scales and no axis")
    else:
        _require(count == tensor.shape[quantization.axis], f"{tensor.name} does not have one scale per slice")


def _verify_order(graph: Graph) -> None:
    known = {name for name, tensor in graph.tensors.items() if tensor.is_constant} | set(graph.inputs)
    for operation in graph.operations:
        for name in operation.inputs:
            _require(name in known, f"{operation.name} reads {name} before it is written")
        _require(operation.output in graph.tensors, f"{operation.name} writes the unknown tensor {operation.output}")
        _require(operation.output not in known, f"{operation.output} is written twice")
        known.add(operation.output)
    for name in graph.outputs:
        _require(name in known, f"output {name} is never written")


def _verify_operation(graph: Graph, operation: Operation) -> None:
    operands, result = graph.operands(operation), graph.result(operation)
    expected = _OPERANDS.get(type(operation.kind), range(1, 2))
    _require(len(operands) in expected, f"{operation.name} has {len(operands)} operands")
    try:
        shape = infer_shape(operation.kind, [operand.shape for operand in operands])
    except WrongShape as error:
        raise _Broken(f"{operation.name}: {error.message}") from None
    _require(shape == result.shape, f"{operation.name} gives {shape}, its result is declared {result.shape}")
    wrong = wrong_operand(operation.kind, [operand.dtype for operand in operands])
    _require(wrong is None, f"{operation.name} takes no operand {wrong} of type {operands[wrong or 0].dtype.value}")
    _require(
        result.dtype in possible_results(operation.kind, operands[0].dtype),
        f"{operation.name} computes {result.dtype.value} from {operands[0].dtype.value}",
    )
    if result.dtype in (DataType.INT8, DataType.INT16):
        _verify_integer(operation, operands, result)


def _verify_integer(operation: Operation, operands: tuple[Tensor, ...], result: Tensor) -> None:
    _require(result.quantization is not None, f"{result.name} is {result.dtype.value} without quantisation")
    first = operands[0]
    _require(
        first.dtype is DataType.FLOAT32 or first.quantization is not None,
        f"{first.name} is {first.dtype.value} without quantisation",
    )
    if isinstance(operation.kind, kinds.MOVES):
        _require(
            all(operand.quantization == result.quantization for operand in operands),
            f"{operation.name} only moves values but changes their quantisation",
        )
