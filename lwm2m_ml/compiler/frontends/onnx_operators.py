"""The table of ONNX operators that can be read; one function each, grouped by family in the modules beside this one."""

from collections.abc import Callable, Mapping

from lwm2m_ml.compiler.frontends import (
    onnx_elementwise,
    onnx_ml,
    onnx_movement,
    onnx_products,
    onnx_quantized,
    onnx_recurrent,
    onnx_resizing,
    onnx_windows,
)
from lwm2m_ml.compiler.frontends.onnx_importer import Node, OnnxImporter

Importer = Callable[[OnnxImporter, Node], None]

IMPORTERS: Mapping[str, Importer] = {
    **onnx_elementwise.IMPORTERS,
    **onnx_movement.IMPORTERS,
    **onnx_products.IMPORTERS,
    **onnx_quantized.IMPORTERS,
    **onnx_recurrent.IMPORTERS,
    **onnx_resizing.IMPORTERS,
    **onnx_windows.IMPORTERS,
}

# The domain of classical models.
CLASSICAL: Mapping[str, Importer] = onnx_ml.IMPORTERS

# What counts in the domain of ONNX Runtime, too.
CONTRIBUTED = frozenset(onnx_quantized.IMPORTERS)
