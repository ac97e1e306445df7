"""The same model with its last layer trained again: what a delta is for."""

import io

import numpy
import onnx
import onnxruntime
import tflite
from onnx import numpy_helper

from lwm2m_ml_simulator.inputs.digits import load_digits_split

EPOCHS, RATE = 30, 0.05


def retrained_digits(model: bytes) -> bytes:
    """Train the last layer on, by gradient descent, with half of the contrast: a camera that has aged."""
    graph = onnx.load(io.BytesIO(model))
    dense = next(node for node in reversed(graph.graph.node) if node.op_type == "Gemm")
    features, labels = _features(graph, dense.input[0])
    tensors = {one.name: one for one in graph.graph.initializer}
    weight = numpy_helper.to_array(tensors[dense.input[1]]).copy()
    bias = numpy_helper.to_array(tensors[dense.input[2]]).copy()
    wanted = numpy.eye(len(bias), dtype=numpy.float32)[labels]
    for _ in range(EPOCHS):
        scores = features @ weight.T + bias
        answers = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        error = answers / answers.sum(axis=1, keepdims=True) - wanted
        weight -= RATE * error.T @ features / len(features)
        bias -= RATE * error.mean(axis=0)
    for name, value in ((dense.input[1], weight), (dense.input[2], bias)):
        tensors[name].CopyFrom(numpy_helper.from_array(value.astype(numpy.float32), name))
    return graph.SerializeToString()


def _features(graph: onnx.ModelProto, name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """What reaches the last layer for the training images, dimmed."""
    inner = onnx.ModelProto()
    inner.CopyFrom(graph)
    inner.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(inner.SerializeToString(), providers=["CPUExecutionProvider"])
    part = load_digits_split().train
    given = session.get_inputs()[0].name
    rows = [session.run([name], {given: image[numpy.newaxis] * 0.5})[0].ravel() for image in part.images]
    return numpy.stack(rows), part.labels


def changed_last_layer(model: bytes, *, seed: int = 1) -> bytes:
    """A quantised TFLite model whose last fully connected layer has other weights: each moved by up to three steps.

    It stands for training again where there is no data to train with.
    """
    parsed = tflite.Model.GetRootAs(model)
    graph = parsed.Subgraphs(0)
    codes = [parsed.OperatorCodes(index).BuiltinCode() for index in range(parsed.OperatorCodesLength())]
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    dense = [one for one in operators if codes[one.OpcodeIndex()] == tflite.BuiltinOperator.FULLY_CONNECTED][-1]
    weights = parsed.Buffers(graph.Tensors(dense.Inputs(1)).Buffer()).DataAsNumpy()
    steps = numpy.random.default_rng(seed).integers(-3, 4, weights.size)
    moved = numpy.clip(weights.view(numpy.int8).astype(int) + steps, -127, 127).astype(numpy.int8)
    start = model.index(weights.tobytes())
    return model[:start] + moved.tobytes() + model[start + weights.size :]
