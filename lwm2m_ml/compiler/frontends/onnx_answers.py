"""Which outputs of an ONNX model a module gives: real numbers. Labels are chosen by who reads them."""

from collections.abc import Sequence

from onnx import GraphProto, NodeProto, TensorProto

from lwm2m_ml.compiler.errors import UnsupportedOperator

# 0: the file does not say.
_REAL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8, 0)


def answers(graph: GraphProto) -> tuple[str, ...]:
    """The outputs that hold real numbers, or one such for each class (the sequence of maps that ZipMap makes)."""
    names = tuple(value.name for value in graph.output if _is_real(value))
    if graph.output and not names:
        raise UnsupportedOperator(
            "output",
            f"'{graph.output[0].name}'",
            why="the model gives labels only",
            hint="Export it with its probabilities as an output too",
        )
    return names


def _is_real(value: object) -> bool:
    kind = value.type  # type: ignore[attr-defined]
    if kind.HasField("sequence_type"):
        return True
    return not kind.HasField("tensor_type") or kind.tensor_type.elem_type in _REAL


def needed(nodes: Sequence[NodeProto], wanted: Sequence[str]) -> list[NodeProto]:
    """The nodes that the wanted results depend on, in the given order; of any order, also a cyclic one."""
    producers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waiting = [producers[name] for name in wanted if name in producers]
    marked = set(waiting)
    while waiting:
        for name in nodes[waiting.pop()].input:
            index = producers.get(name)
            if index is not None and index not in marked:
                marked.add(index)
                waiting.append(index)
    return [node for index, node in enumerate(nodes) if index in marked]
