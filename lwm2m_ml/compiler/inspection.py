"""Looks into a model without compiling it: its operators, their work, and those that cannot be compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.compilation import simplified
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.advice import advice_for
from lwm2m_ml.compiler.frontends.load import is_tflite, without_tensorflow
from lwm2m_ml.compiler.frontends.model_format import format_of
from lwm2m_ml.compiler.ir import Graph, Operation, Tensor
from lwm2m_ml.compiler.targets import load_target


@dataclass(frozen=True, slots=True)
class InspectedOperation:
    """An operation as it will be compiled; `weights` counts the elements of its constants."""

    name: str
    kind: str
    operands: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]
    dtype: str
    macs: int
    weights: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a model holds. `operations` are empty when one of its operators is unsupported.

    `advice` tells for each unsupported operator what helps.
    """

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[InspectedOperation, ...]
    operators: Mapping[str, int]
    unsupported: Mapping[str, int]
    reason: str = ""
    advice: Mapping[str, str] = field(default_factory=dict)


def inspect(content: bytes) -> Inspection:
    """The facts of a model; raises a subclass of InvalidInputError when it cannot be read at all."""
    form = format_of(content).value
    content = without_tensorflow(content)
    counts, known = _tflite_operators(content) if is_tflite(content) else _onnx_operators(content)
    unsupported = {name: count for name, count in counts.items() if name not in known}
    try:
        graph = simplified(content)
    except UnsupportedOperator as error:
        unsupported = unsupported or {error.operator: 1}
        advice = {name: advice_for(name) for name in unsupported}
        return Inspection(form, (), (), (), counts, unsupported, reason=str(error), advice=advice)
    return Inspection(
        form,
        tuple(map(graph.tensor, graph.inputs)),
        tuple(map(graph.tensor, graph.outputs)),
        tuple(_operation(graph, operation) for operation in graph.operations),
        counts,
        unsupported,
    )


def _operation(graph: Graph, operation: Operation) -> InspectedOperation:
    operands, result = graph.operands(operation), graph.result(operation)
    return InspectedOperation(
        name=operation.name,
        kind=operation.kind_name,
        operands=tuple(operand.shape for operand in operands if not operand.is_constant),
        result=result.shape,
        dtype=result.dtype.value,
        macs=Layer(graph, operation, load_target("host")).macs,
        weights=sum(operand.elements for operand in operands if operand.is_constant),
    )


def _tflite_operators(content: bytes) -> tuple[dict[str, int], Mapping[str, Any]]:
    from lwm2m_ml.compiler.frontends.tflite_file import read_tflite_file  # noqa: PLC0415 - only for TFLite
    from lwm2m_ml.compiler.frontends.tflite_operators import IMPORTERS  # noqa: PLC0415

    return _counted(operator.name for operator in read_tflite_file(content).operators), IMPORTERS


def _onnx_operators(content: bytes) -> tuple[dict[str, int], Mapping[str, Any]]:
    from lwm2m_ml.compiler.frontends.onnx import known_operators, operator_names  # noqa: PLC0415 - takes half a second

    return _counted(operator_names(content)), known_operators()


def _counted(names: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
