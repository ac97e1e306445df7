"""Puts a training step into a graph: inference as before, with parameters that lie in the arena and can change.

The backbone stays as it is, in int8. The head computes in float32. The graph gets four more inputs, the control tensor
and three pieces of state (parameters, velocity, sum of gradients), and as outputs the loss, a checksum and the state.
Each piece of state goes out where it came in, so it simply stays in the arena.
"""

from dataclasses import replace

import numpy

from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.compiler.ir import DataType, Graph, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder, constant_tensor
from lwm2m_ml.compiler.ir.kinds import Dequantize, Quantize
from lwm2m_ml.compiler.ir.training import (
    CONTROL_LENGTH,
    Carried,
    Checksum,
    CrossEntropy,
    Descent,
    HiddenGradient,
    Momentum,
    OutputGradient,
    ParameterGradient,
    Probabilities,
    Released,
    TrainableLayer,
)
from lwm2m_ml.compiler.training.head import Head, find_head

CONTROL = "learning.control"
LOSS = "learning.loss"
CHECKSUM = "learning.checksum"
STATE = ("learning.parameters", "learning.velocity", "learning.gradient")
"""The inputs that stay in the arena; the outputs of the same order have `NEXT` behind their names."""
NEXT = ".next"


def is_trainable(graph: Graph) -> bool:
    """Whether a training step is part of a graph."""
    return CONTROL in graph.inputs


def with_training(graph: Graph, layers: int) -> Graph:
    """An int8 graph whose last `layers` layers can be trained; raises NotTrainable."""
    head = find_head(graph, layers)
    if any(name.startswith("learning.") for name in graph.tensors):
        raise NotTrainable("The model has tensors whose names begin with 'learning.', which the training step uses")
    builder = _backbone(graph, head)
    count = head.parameters.size
    control = builder.variable(CONTROL, (CONTROL_LENGTH,), DataType.FLOAT32)
    given = [builder.variable(name, (count,), DataType.FLOAT32) for name in STATE]
    initial = builder.constant("learning.initial", head.parameters)
    kept = [builder.add(Carried(), [control, given[0], initial], "learning.parameters.kept")]
    kept += [builder.add(Carried(), [control, name], f"{name}.kept") for name in given[1:]]
    rows = _forwards(builder, head, kept[0])
    logits = rows[-1]
    probabilities = builder.add(Probabilities(), [logits], "learning.probabilities")
    output = graph.tensor(graph.outputs[0])
    scores = builder.add(
        Quantize(), [probabilities if head.has_softmax else logits], output.name, quantization=output.quantization
    )
    loss = builder.add(CrossEntropy(), [probabilities, control], LOSS)
    gradient = _backwards(builder, head, rows, (probabilities, control), kept)
    velocity = builder.add(Momentum(), [kept[1], gradient, control], STATE[1] + NEXT)
    parameters = builder.add(Descent(), [kept[0], velocity, control], STATE[0] + NEXT)
    released = builder.add(Released(), [gradient, control], STATE[2] + NEXT)
    checksum = builder.add(Checksum(), [parameters, control], CHECKSUM)
    made = builder.finish((graph.inputs[0], control, *given), (scores, loss, checksum, parameters, velocity, released))
    verify(made, after="adding the training step")
    return made


def _backbone(graph: Graph, head: Head) -> GraphBuilder:
    """All before the head."""
    operations = [operation for operation in graph.operations if operation.output not in head.operations]
    used = {name for operation in operations for name in (*operation.inputs, operation.output)}
    used |= {head.features, *graph.inputs}
    return GraphBuilder({name: graph.tensor(name) for name in graph.tensors if name in used}, operations)


def _forwards(builder: GraphBuilder, head: Head, parameters: str) -> list[str]:
    """The rows between the layers, from the features to the logits."""
    rows = [builder.add(Dequantize(), [head.features], "learning.features")]
    for number, layer in enumerate(head.layers):
        kind = TrainableLayer(layer.start, layer.outputs, layer.highest)
        rows.append(builder.add(kind, [rows[-1], parameters], f"learning.layer{number}"))
    return rows


def _backwards(builder: GraphBuilder, head: Head, rows: list[str], example: tuple[str, str], kept: list[str]) -> str:
    """The sum of gradients with that of this call's example."""
    error = builder.add(OutputGradient(), list(example), "learning.error")
    total = kept[2]
    for number in range(len(head.layers) - 1, -1, -1):
        layer = head.layers[number]
        total = builder.add(ParameterGradient(layer.start), [total, error, rows[number]], f"learning.gradient{number}")
        if number:
            kind = HiddenGradient(layer.start, head.layers[number - 1].highest)
            error = builder.add(kind, [error, kept[0], rows[number]], f"learning.error{number}")
    return total


def as_called(graph: Graph) -> Graph:
    """The graph as a device's firmware calls it: image and control in; scores, loss and checksum out.

    State is not among them, so it only shows what a call makes of state that begins anew.
    """
    zeros = [constant_tensor(name, numpy.zeros(graph.tensor(name).shape, numpy.float32)) for name in STATE]
    return replace(graph.with_tensors(zeros), inputs=graph.inputs[:2], outputs=graph.outputs[:3])
