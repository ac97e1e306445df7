"""Makes room for quantisations that a model gives: where an operation cannot change codes, a requantisation does."""

from dataclasses import replace

from lwm2m_ml.compiler.ir import Graph, Operation, Quantization, Tensor, kinds
from lwm2m_ml.compiler.quantize.sharing import fixed_quantization, shares_quantization


def separated(graph: Graph) -> Graph:
    """The float graph with a Requantize between quantisations that one operation cannot have at once."""
    tensors: list[Tensor] = []
    operations: list[Operation] = []
    for operation in graph.operations:
        wanted = graph.result(operation).quantization
        if wanted is None:
            operations.append(operation)
        elif shares_quantization(operation.kind) and len(operation.inputs) > 1:
            operations.extend(_operands_first(graph, operation, wanted, tensors))
        else:
            operations.extend(_result_after(graph, operation, wanted, tensors))
    return graph.with_tensors(tensors).with_operations(operations) if tensors else graph


def _operands_first(graph: Graph, operation: Operation, wanted: Quantization, tensors: list[Tensor]) -> list[Operation]:
    steps, inputs = [], []
    for number, operand in enumerate(graph.operands(operation)):
        if operand.is_constant or operand.quantization in (None, wanted):
            inputs.append(operand.name)
            continue
        changed = replace(operand, name=f"{operation.output}/operand {number}", quantization=wanted)
        tensors.append(changed)
        steps.append(Operation(operation.name, kinds.Requantize(), (operand.name,), changed.name))
        inputs.append(changed.name)
    return [*steps, replace(operation, inputs=tuple(inputs))]


def _result_after(graph: Graph, operation: Operation, wanted: Quantization, tensors: list[Tensor]) -> list[Operation]:
    possible = fixed_quantization(operation.kind) if isinstance(operation.kind, kinds.Softmax) else None
    if shares_quantization(operation.kind):
        possible = graph.operands(operation)[0].quantization
    if possible in (None, wanted):
        return [operation]
    between = replace(graph.result(operation), name=f"{operation.output}/before", quantization=possible)
    tensors.append(between)
    after = Operation(operation.name, kinds.Requantize(), (between.name,), operation.output)
    return [replace(operation, output=between.name), after]
