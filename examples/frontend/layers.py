"""A front end for a format of one's own: JSON files of dense layers, as docs/write-a-front-end.md explains.

python examples/frontend/layers.py perceptron.json perceptron.onnx calibration.npz
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.compiler.errors import UnreadableModel, UnsupportedOperator
from lwm2m_ml.compiler.ir import Array, DataType, Graph, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Activation, FullyConnected, Softmax
from lwm2m_ml.compiler.onnx_writer import write_onnx

MAXIMUM_BYTES = 1 << 20
ACTIVATIONS = {"none": Activation.NONE, "relu": Activation.RELU}


def read_layers(content: bytes) -> tuple[Graph, Array]:
    """The graph of a file, and its examples of inputs, float32 (samples, 1, values).

    Raises UnreadableModel, or another subclass of InvalidInputError, for what cannot be compiled.
    """
    if len(content) > MAXIMUM_BYTES:
        raise UnreadableModel(f"The file has more than {MAXIMUM_BYTES:,} bytes")
    try:
        described: dict[str, Any] = json.loads(content)
        examples = numpy.asarray(described["examples"], numpy.float32)
        graph = _graph(described["layers"], examples.shape[1])
        verify(graph, after="reading the layers")
        return graph, examples[:, None, :]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UnreadableModel(f"The file describes no layers: {error!r}") from error


def _graph(layers: list[dict[str, Any]], width: int) -> Graph:
    builder = GraphBuilder()
    given = value = builder.variable("input", (1, width), DataType.FLOAT32)
    for number, layer in enumerate(layers):
        value = _layer(builder, layer, value, f"layer {number}")
    return builder.finish([given], [builder.add(Softmax(), [value], "probabilities")])


def _layer(builder: GraphBuilder, layer: dict[str, Any], value: str, place: str) -> str:
    wanted = layer.get("activation", "none")
    if wanted not in ACTIVATIONS:
        raise UnsupportedOperator(str(wanted), place, hint=f"These work: {', '.join(sorted(ACTIVATIONS))}")
    weights = builder.constant("weights", numpy.asarray(layer["weights"], numpy.float32))
    bias = builder.constant("bias", numpy.asarray(layer["bias"], numpy.float32))
    return builder.add(FullyConnected(ACTIVATIONS[wanted]), [value, weights, bias], place)


if __name__ == "__main__":
    source, model, calibration = map(Path, sys.argv[1:])
    graph, examples = read_layers(source.read_bytes())
    model.write_bytes(write_onnx(graph))
    numpy.savez(calibration, input=examples)
