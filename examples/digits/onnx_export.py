"""Writes a trained Keras network as ONNX, node by node: NCHW, with batch normalisation left for a compiler to fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from networks import CLASS_COUNT, INPUT_SHAPE, Convolution, Dense, Layer, Pooling
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"


class _GraphWriter:
    """Collects nodes and constants; `value` is the name of the tensor that the next node reads."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.value = INPUT_NAME

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name))
        return name

    def node(self, operator: str, output: str, *constants: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, [self.value, *constants], [output], name=output, **attributes))
        self.value = output


def export(name: str, layers: tuple[Layer, ...], model: Any) -> bytes:
    """Return the ONNX file of `model`, a Keras network built from `layers` with one named Keras layer for each."""
    writer = _GraphWriter()
    channels, height, width = INPUT_SHAPE
    flat = False
    for index, layer in enumerate((*layers, Dense(CLASS_COUNT))):
        if isinstance(layer, Convolution):
            _convolution(writer, index, model)
            channels = layer.filters
        elif isinstance(layer, Pooling):
            writer.node("MaxPool", f"pool{index}", kernel_shape=[2, 2], strides=[2, 2])
            height, width = height // 2, width // 2
        else:
            kernel, bias = model.get_layer(f"dense{index}").get_weights()
            if not flat:
                writer.node("Flatten", "flatten", axis=1)
                kernel = _rows_to_channels_first(kernel, channels, height, width)
                flat = True
            _dense(writer, index, kernel, bias, last=index == len(layers))
    return _file(name, writer)


def _convolution(writer: _GraphWriter, index: int, model: Any) -> None:
    (kernel,) = model.get_layer(f"convolution{index}").get_weights()
    weight = writer.constant(f"convolution{index}.weight", kernel.transpose(3, 2, 0, 1))  # HWIO to OIHW
    writer.node("Conv", f"convolution{index}", weight, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    normalization = model.get_layer(f"normalization{index}")
    names = ("scale", "offset", "mean", "variance")
    parameters = [
        writer.constant(f"normalization{index}.{parameter}", array)
        for parameter, array in zip(names, normalization.get_weights(), strict=True)
    ]
    writer.node("BatchNormalization", f"normalization{index}", *parameters, epsilon=float(normalization.epsilon))
    writer.node("Relu", f"relu{index}")


def _dense(writer: _GraphWriter, index: int, kernel: np.ndarray, bias: np.ndarray, *, last: bool) -> None:
    weight = writer.constant(f"dense{index}.weight", kernel.T)
    writer.node("Gemm", f"dense{index}", weight, writer.constant(f"dense{index}.bias", bias), transB=1)
    if last:
        writer.node("Softmax", OUTPUT_NAME, axis=-1)
    else:
        writer.node("Relu", f"relu{index}")


def _rows_to_channels_first(kernel: np.ndarray, channels: int, height: int, width: int) -> np.ndarray:
    """Keras flattens height, width, channel; ONNX flattens channel, height, width."""
    rows = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
    return rows.reshape(channels * height * width, -1)


def _file(name: str, writer: _GraphWriter) -> bytes:
    graph = helper.make_graph(
        writer.nodes,
        name,
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [1, *INPUT_SHAPE])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [1, CLASS_COUNT])],
        initializer=writer.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="lwm2m-ml digits"
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
