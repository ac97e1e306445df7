"""Reads ONNX models: float models in channels-first order become channels-last graphs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from lwm2m_ml.compiler.errors import CyclicModel, UnreadableModel, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.layout import (
    add_transpose,
    channels_first_order,
    channels_last_order,
)
from lwm2m_ml.compiler.frontends.onnx_answers import answers, needed
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.frontends.onnx_operators import CLASSICAL, CONTRIBUTED, IMPORTERS, Importer
from lwm2m_ml.compiler.frontends.onnx_shapes import OPERATORS as SHAPE_OPERATORS
from lwm2m_ml.compiler.frontends.onnx_shapes import fold
from lwm2m_ml.compiler.frontends.preprocessing import METADATA_KEY, with_preprocessing
from lwm2m_ml.compiler.ir import DataType, Graph
from lwm2m_ml.compiler.ir.limits import check_elements
from lwm2m_ml.compiler.ir.tensor import Array

_DOMAINS = ("", "ai.onnx")
# ONNX Runtime's own operators on integers.
_CONTRIBUTED = "com.microsoft"
_CLASSICAL = "ai.onnx.ml"
# For models of classical operators alone; any would do.
_FIRST_OPSET = 7
# Integer inputs are dequantised first thing; the module takes them as int8 anyway.
_INPUT_TYPES = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8)


def read_onnx(content: bytes) -> Graph:
    """The graph of an ONNX model; raises a subclass of InvalidInputError for anything that cannot be compiled."""
    model = _parse(content)
    importer = OnnxImporter(opset=_opset(model))
    graph = model.graph
    for initializer in graph.initializer:
        importer.constants[initializer.name] = _constant(initializer)
    inputs = [_add_input(importer, value) for value in graph.input if value.name not in importer.constants]
    wanted = answers(graph)
    nodes = needed(graph.node, wanted)
    for node in _in_order(nodes, known={value.name for value in graph.input} | set(importer.constants)):
        _import_node(importer, node)
    outputs = [_add_output(importer, name) for name in wanted]
    if not inputs or not outputs:
        raise UnreadableModel("The ONNX model has no input or no output")
    read = importer.builder.finish(inputs, outputs)
    declared = metadata(content).get(METADATA_KEY)
    return read if declared is None else with_preprocessing(read, declared)


def operator_names(content: bytes) -> list[str]:
    """The names of the operators that a model's answers need, those of other domains with the domain."""
    graph = _parse(content).graph
    nodes = needed(graph.node, answers(graph))
    return [node.op_type if node.domain in _DOMAINS else f"{node.domain}.{node.op_type}" for node in nodes]


def metadata(content: bytes) -> Mapping[str, str]:
    """What a model says of itself beside its graph."""
    return {entry.key: entry.value for entry in _parse(content).metadata_props}


def known_operators() -> Mapping[str, Importer | None]:
    """What can be read, under the names of `operator_names`; shape arithmetic is worked out while reading."""
    classical = {f"{_CLASSICAL}.{name}": read for name, read in CLASSICAL.items()}
    contributed = {f"{_CONTRIBUTED}.{name}": IMPORTERS[name] for name in CONTRIBUTED}
    return {**dict.fromkeys(SHAPE_OPERATORS), **IMPORTERS, **classical, **contributed}


def _parse(content: bytes) -> ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise UnreadableModel(
            "The model is neither ONNX nor TFLite nor of Keras, or it is damaged",
            hint="Export it again and check its size",
        ) from error
    if not model.graph.node:
        raise UnreadableModel("The model holds no operators", hint="Give an ONNX or TFLite file")
    return model


def _opset(model: ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    if not versions and all(entry.domain == _CLASSICAL for entry in model.opset_import) and model.opset_import:
        return _FIRST_OPSET
    if not versions:
        raise UnreadableModel("The ONNX model does not say which operator set it uses")
    return int(max(versions))


def _constant(tensor: TensorProto) -> Array:
    """The values of an initializer, its size checked before any memory is taken."""
    check_elements(tensor.dims, f"Constant {tensor.name}")
    if tensor.data_location == TensorProto.EXTERNAL:
        raise UnreadableModel(
            f"Constant {tensor.name} is kept in another file", hint="Save the model with its weights inside"
        )
    try:
        values: Array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UnreadableModel(f"Constant {tensor.name} is damaged: {error}") from error
    if values.dtype in (numpy.float64, numpy.float16):
        values = values.astype(numpy.float32)
    return values


def _add_input(importer: OnnxImporter, value: onnx.ValueInfoProto) -> str:
    tensor_type = value.type.tensor_type
    if tensor_type.elem_type not in _INPUT_TYPES:
        raise UnreadableModel(
            f"Input {value.name} is neither float32 nor int8", hint="Export the model with float32 input"
        )
    if not tensor_type.HasField("shape"):
        raise WrongShape(f"Input {value.name} has no shape")
    shape = tuple(_length(value.name, axis, dim) for axis, dim in enumerate(tensor_type.shape.dim))
    name = importer.builder.variable(value.name, shape, DataType.FLOAT32)
    importer.names[value.name] = add_transpose(importer.builder, name, channels_last_order(len(shape)), f"{name}.nhwc")
    return name


def _length(name: str, axis: int, dim: onnx.TensorShapeProto.Dimension) -> int:
    """A fixed length; an open first axis is the batch, and a device sees one sample at a time."""
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    if axis == 0 and dim.dim_value == 0:
        return 1
    raise WrongShape(
        f"Input {name} has no fixed length along axis {axis}", hint="Export the model with fixed input shapes"
    )


def _add_output(importer: OnnxImporter, name: str) -> str:
    value = importer.variable(name, f"output {name}")
    rank = len(importer.shape(value))
    return add_transpose(importer.builder, value, channels_first_order(rank), f"{name}.nchw")


def _in_order(nodes: Sequence[NodeProto], known: set[str]) -> Iterable[NodeProto]:
    """The nodes sorted so that every operand comes first; ONNX wants them so, a damaged file may not have them so."""
    producers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waiting = [{producers[name] for name in node.input if name in producers and name not in known} for node in nodes]
    readers: dict[int, list[int]] = {}
    for index, needs in enumerate(waiting):
        for need in needs:
            readers.setdefault(need, []).append(index)
    ready = [index for index, needs in enumerate(waiting) if not needs][::-1]
    done = 0
    while ready:
        index = ready.pop()
        done += 1
        yield nodes[index]
        for reader in reversed(readers.get(index, [])):
            waiting[reader].discard(index)
            if not waiting[reader]:
                ready.append(reader)
    if done < len(nodes):
        stuck = next(node for node, needs in zip(nodes, waiting, strict=True) if needs)
        raise CyclicModel(f"Operator {stuck.op_type} '{stuck.name}' depends on its own result")


def _import_node(importer: OnnxImporter, proto: NodeProto) -> None:
    place = f"'{proto.name or (proto.output[0] if proto.output else '')}'"
    try:
        attributes = {attribute.name: _attribute(attribute) for attribute in proto.attribute}
        node = Node(proto.op_type, place, tuple(proto.input), tuple(proto.output), attributes)
        if proto.domain in _DOMAINS and fold(importer, node):
            return
        read = importer_of(proto.domain, proto.op_type)
        if read is None:
            raise UnsupportedOperator(proto.op_type, place, hint=f"These work: {', '.join(sorted(IMPORTERS))}")
        read(importer, node)
    except WrongShape as error:
        raise WrongShape(f"Operator {proto.op_type} at {place}: {error.message}", hint=error.hint) from None
    except (IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise UnreadableModel(f"Operator {proto.op_type} at {place} is malformed: {error}") from error


def importer_of(domain: str, operator: str) -> Importer | None:
    """What reads an operator of a domain."""
    if domain == _CLASSICAL:
        return CLASSICAL.get(operator)
    if domain in _DOMAINS or (domain == _CONTRIBUTED and operator in CONTRIBUTED):
        return IMPORTERS.get(operator)
    return None


def _attribute(attribute: onnx.AttributeProto) -> object:
    if attribute.type == onnx.AttributeProto.TENSOR:
        return _constant(attribute.t)
    value = onnx.helper.get_attribute_value(attribute)
    return tuple(value) if not isinstance(value, (int, float, bytes)) else value
