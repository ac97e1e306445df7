"""Reads ONNX LSTM and GRU layers. Sequences come as (steps, samples, features)."""

import numpy

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.frontends.layout import add_transpose, channels_first_order, channels_last_order
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter
from lwm2m_ml.compiler.ir.kinds import Kind, Reshape, Slice
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm
from lwm2m_ml.compiler.ir.tensor import Array

# ONNX orders the gates of an LSTM input, output, forget, cell; the graph input, forget, cell, output.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2)}


def _recurrent(importer: OnnxImporter, node: Node) -> None:
    _check(importer, node)
    gates = _GATES[node.operator]
    weights, recurrent = (_one_direction(importer, node, index) for index in (1, 2))
    if weights.ndim != 2 or recurrent.ndim != 2 or recurrent.shape[0] != len(gates) * recurrent.shape[1]:
        raise WrongShape(f"weights {weights.shape} and {recurrent.shape} do not fit together")
    biases = _one_direction(importer, node, 3) if node.has_input(3) else numpy.zeros(2 * len(recurrent))
    given, hidden = (_ordered(part, gates) for part in numpy.split(biases.astype(numpy.float32), 2))
    constants = [_ordered(weights, gates), _ordered(recurrent, gates)]
    kind: Kind
    if node.operator == "LSTM":
        kind, constants = Lstm(cell_clip=node.real("clip", 0.0)), [*constants, given + hidden]
    else:
        kind, constants = Gru(reset_after=bool(node.integer("linear_before_reset", 0))), [*constants, given, hidden]
    names = [importer.float_constant(node, f".{number}", values) for number, values in enumerate(constants)]
    _results(importer, node, importer.add(node, kind, [_sequence(importer, node), *names], ".hidden"))


def _check(importer: OnnxImporter, node: Node) -> None:
    if node.text("direction", "forward") != "forward":
        raise node.refuse("it does not run forward", "A forward layer works; reverse the samples outside")
    if "activations" in node.attributes:
        names = [name.decode() for name in node.attributes["activations"]]  # type: ignore[attr-defined]
        if names not in (["Sigmoid", "Tanh", "Tanh"], ["Sigmoid", "Tanh"]):
            raise node.refuse(f"activations {names}", "Sigmoid and Tanh work")
    if node.has_input(4) or node.integer("layout", 0) or node.integer("input_forget", 0) or node.has_input(7):
        raise node.refuse("lengths, another layout, coupled gates or peepholes", "The plain form works")
    for index in (5, 6):
        if node.has_input(index) and importer.constant(node, index).any():
            raise node.refuse("an initial state", "Zeros work: a module begins each sequence anew")
    if node.operator == "LSTM" and len(node.outputs) > 2 and node.outputs[2]:
        raise node.refuse("its cell state is used", "The hidden states can be used")
    if node.operator == "GRU" and node.real("clip", 0.0):
        raise node.refuse("a clip")


def _one_direction(importer: OnnxImporter, node: Node, index: int) -> Array:
    values = importer.weights(node, index)
    if values.shape[:1] != (1,):
        raise WrongShape(f"operand {index} of shape {values.shape} is not of one direction")
    direction: Array = values[0]
    return direction


def _ordered(values: Array, gates: tuple[int, ...]) -> Array:
    parts = numpy.split(values, len(gates))
    return numpy.concatenate([parts[gate] for gate in gates])


def _sequence(importer: OnnxImporter, node: Node) -> str:
    """The first operand as (samples, steps, features)."""
    name = importer.operand(node, 0)
    order = channels_first_order(len(importer.shape(name)))
    # From the stored order to the model's (steps, samples, features), then the samples first.
    return add_transpose(importer.builder, name, (order[1], order[0], order[2]), f"{name}.samples")


def _results(importer: OnnxImporter, node: Node, hidden: str) -> None:
    """All hidden states as (steps, 1, samples, units), the last one as (1, samples, units)."""
    builder = importer.builder
    samples, steps, units = importer.shape(hidden)
    turned = add_transpose(builder, hidden, (1, 0, 2), f"{hidden}.steps")
    if node.outputs[0]:
        every = builder.add(Reshape((steps, 1, samples, units)), [turned], f"{node.outputs[0]}.every")
        importer.names[node.outputs[0]] = add_transpose(builder, every, channels_last_order(4), node.outputs[0])
    if len(node.outputs) > 1 and node.outputs[1]:
        last = Slice((steps - 1, 0, 0), (steps, samples, units), (1, 1, 1))
        name = builder.add(last, [turned], f"{node.outputs[1]}.last")
        importer.names[node.outputs[1]] = add_transpose(builder, name, channels_last_order(3), node.outputs[1])


IMPORTERS = {"GRU": _recurrent, "LSTM": _recurrent}
