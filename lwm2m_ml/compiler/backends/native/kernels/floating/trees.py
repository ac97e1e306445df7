"""Ensembles of decision trees: tables of nodes in the smallest integers that hold them, walked from each root."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.ir.trees import TreeEnsemble

_TEMPLATE = """
static void @NAME@(const float *input, float *output, const $FEATURE *features, const float *thresholds,
                   const $CHILD *children, const $CHILD *roots, const float *leaves, const float *bias)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $FEATURES, output += $OUTPUTS) {
    for (int32_t i = 0; i < $OUTPUTS; ++i) output[i] = bias[i];
    for (int32_t tree = 0; tree < $TREES; ++tree) {
      int32_t node = roots[tree];
      while (node >= 0) node = children[2 * node + !(input[features[node]] <= thresholds[node])];
      const float *leaf = leaves + (-1 - node) * $OUTPUTS;
      for (int32_t i = 0; i < $OUTPUTS; ++i) output[i] += leaf[i];
    }
  }
}
"""
_C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t"}


@dataclass(frozen=True, slots=True)
class Trees(Portable):
    """One walk from each root to a leaf."""

    name: str = "decision trees"

    def accepts(self, layer: Layer) -> bool:
        """Every ensemble of trees."""
        return isinstance(layer.kind, TreeEnsemble)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per number of trees and outputs; the tables are constants."""
        samples, nodes, thresholds, roots, leaves, bias = layer.operands
        features = _smallest(nodes.values[:, 0])
        children, starts = _smallest(nodes.values[:, 1:]), roots.values
        if not numpy.can_cast(numpy.min_scalar_type(int(starts.max())), children.dtype):
            children = children.astype(numpy.int32)
        text = fill(
            _TEMPLATE,
            FEATURE=_C_TYPES[features.dtype.name],
            CHILD=_C_TYPES[children.dtype.name],
            ROWS=samples.shape[0],
            FEATURES=samples.shape[1],
            TREES=len(starts),
            OUTPUTS=len(bias.values),
        )
        tables = (features, thresholds.values, children, starts.astype(children.dtype), leaves.values, bias.values)
        constants = ", ".join(program.constant(table) for table in tables)
        function = program.function("trees", text)
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


def _smallest(values: Array) -> Array:
    """The same integers in the smallest type that holds them all."""
    low, high = int(values.min()), int(values.max())
    for name in _C_TYPES:
        limits = numpy.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return values.astype(name)
    raise ValueError("the integers of trees are int32")


KERNELS: tuple[Kernel, ...] = (Trees(),)
