"""The intermediate representation: an immutable graph of typed operations on shaped, quantised tensors.

Images are stored channels last (N, H, W, C). `verify` states every rule a graph obeys; the pass manager calls it
before and after every pass.
"""

from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.graph import Graph
from lwm2m_ml.compiler.ir.operation import Operation
from lwm2m_ml.compiler.ir.quantization import Quantization
from lwm2m_ml.compiler.ir.tensor import Array, Tensor
from lwm2m_ml.compiler.ir.verify import verify

__all__ = ["Array", "DataType", "Graph", "Operation", "Quantization", "Tensor", "verify"]
