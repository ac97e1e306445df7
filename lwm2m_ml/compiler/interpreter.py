"""Runs a graph in numpy: the float reference before quantisation, the integer reference after it."""

from collections.abc import Mapping

import numpy

from lwm2m_ml.compiler.arithmetic import dequantize_values
from lwm2m_ml.compiler.errors import UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, kinds
from lwm2m_ml.compiler.reference import float_kernels, integer_kernels

# Samples are run in portions of about so many elements of the largest tensor, to bound memory.
_PORTION_ELEMENTS = 1 << 21


def run(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs by name, for inputs by name; axis 0 of every array counts samples."""
    return run_all(graph, inputs, keep=graph.outputs)


def run_all(graph: Graph, inputs: Mapping[str, Array], *, keep: tuple[str, ...] | None = None) -> dict[str, Array]:
    """As `run`, for chosen tensors, all computed ones by default."""
    samples = _check(graph, inputs)
    wanted = keep if keep is not None else (*graph.inputs, *(operation.output for operation in graph.operations))
    portion = max(1, _PORTION_ELEMENTS // max(tensor.elements for tensor in graph.tensors.values()))
    portions = [
        _run_portion(graph, {name: values[start : start + portion] for name, values in inputs.items()}, wanted)
        for start in range(0, samples, portion)
    ]
    return {name: numpy.concatenate([values[name] for values in portions]) for name in wanted}


def _check(graph: Graph, inputs: Mapping[str, Array]) -> int:
    counts = set()
    for name in graph.inputs:
        tensor = graph.tensor(name)
        values = inputs[name]
        if tuple(values.shape[1:]) != tensor.shape or values.shape[0] < 1:
            raise WrongShape(f"Input {name} takes samples of shape {tensor.shape}, given {values.shape}")
        counts.add(int(values.shape[0]))
    if len(counts) != 1:
        raise WrongShape("The inputs do not hold equally many samples")
    return counts.pop()


def _run_portion(graph: Graph, inputs: Mapping[str, Array], wanted: tuple[str, ...]) -> dict[str, Array]:
    values = {name: tensor.values[None] for name, tensor in graph.tensors.items() if tensor.is_constant}
    values.update({name: array.astype(graph.tensor(name).dtype.numpy, copy=False) for name, array in inputs.items()})
    samples = next(iter(inputs.values())).shape[0]
    last_use = {name: index for index, operation in enumerate(graph.operations) for name in operation.inputs}
    for index, operation in enumerate(graph.operations):
        values[operation.output] = compute(graph, operation, [values[name] for name in operation.inputs])
        for name in operation.inputs:
            if last_use[name] == index and name not in wanted:
                values.pop(name, None)
    return {name: numpy.broadcast_to(values[name], (samples, *values[name].shape[1:])) for name in wanted}


def compute(graph: Graph, operation: Operation, operands: list[Array]) -> Array:
    """The result of one operation on operands with an axis of samples."""
    if isinstance(operation.kind, kinds.Dequantize):
        return _dequantized(graph, operation, operands[0])
    integer = graph.result(operation).dtype is not DataType.FLOAT32
    table = integer_kernels.KERNELS if integer else float_kernels.KERNELS
    if type(operation.kind) not in table:
        raise UnsupportedOperator(operation.kind_name, operation.name, why=f"not in {graph.result(operation).dtype}")
    if integer:
        return integer_kernels.KERNELS[type(operation.kind)](graph, operation, operands)
    return numpy.asarray(float_kernels.KERNELS[type(operation.kind)](operation.kind, operands), numpy.float32)


def _dequantized(graph: Graph, operation: Operation, codes: Array) -> Array:
    quantization = graph.operands(operation)[0].quantization
    assert quantization is not None  # noqa: S101 - the verifier saw to it
    return dequantize_values(codes, quantization.scale, quantization.zero_point)
