"""Softmax on float32."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import exponential, real
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Softmax

_TEMPLATE = """
static void @NAME@(const float *input, float *output)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $CLASSES, output += $CLASSES) {
    float maximum = input[0];
    for (int32_t i = 1; i < $CLASSES; ++i)
      if (input[i] > maximum) maximum = input[i];
    float sum = 0.0f;
    for (int32_t i = 0; i < $CLASSES; ++i) {
      output[i] = $EXP((input[i] - maximum) * $BETA);
      sum += output[i];
    }
    for (int32_t i = 0; i < $CLASSES; ++i) output[i] = output[i] / sum;
  }
}
"""


@dataclass(frozen=True, slots=True)
class FloatSoftmax(Portable):
    """Three passes over each row, in place."""

    name: str = "softmax, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every softmax."""
        return isinstance(layer.kind, Softmax)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place: the second pass reads each element just before it writes it, the third only what it wrote."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, Softmax)  # noqa: S101 - see accepts
        classes = layer.result.shape[-1]
        text = fill(
            _TEMPLATE,
            ROWS=layer.result.elements // classes,
            CLASSES=classes,
            EXP=exponential(program),
            BETA=real(kind.beta),
        )
        return f"{program.function('softmax', text)}((const void *){places.operands[0]}, (void *){places.result});"


KERNELS: tuple[Kernel, ...] = (FloatSoftmax(),)
