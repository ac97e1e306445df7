"""Writes ONNX graphs node by node; `value` is the tensor that the next node reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9


class GraphWriter:
    """Collects nodes and constants of a graph with one input and one output."""

    def __init__(self, input_name: str, shape: Sequence[int]) -> None:
        self.value = input_name
        self._input = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, list(shape))
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant and return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, output: str, *others: str, value: str | None = None, **attributes: Any) -> str:
        """Add a node that reads `value` (else the last one's output) and `others`; returns the name of its output."""
        inputs = [self.value if value is None else value, *others]
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        self.value = output
        return output

    def dense(self, name: str, kernel: np.ndarray, bias: np.ndarray) -> str:
        """Add a fully connected layer; `kernel` is [inputs, outputs]."""
        weight = self.constant(f"{name}.weight", kernel.T.astype(np.float32))
        return self.node("Gemm", name, weight, self.constant(f"{name}.bias", bias.astype(np.float32)), transB=1)

    def file(self, name: str, shape: Sequence[int]) -> bytes:
        """Return the checked file; the output is what the last node wrote, of this shape."""
        output = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(self._nodes, name, [self._input], [output], initializer=self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="lwm2m-ml zoo"
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def weights_of(model: bytes) -> int:
    """Count the values of all constants of a file that are not shapes or axes."""
    graph = onnx.load_from_string(model).graph
    return sum(int(np.prod(one.dims)) for one in graph.initializer if one.data_type == TensorProto.FLOAT)
