"""From float32 to int8 and back."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import limit, real
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function
from lwm2m_ml.compiler.ir.kinds import Dequantize, Quantize
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of

# Halves go away from zero; adding a half before truncation would round 0.49999997 up.
_QUANTIZE = """
static void @NAME@(const float *input, int8_t *output)
{
  for (int32_t i = 0; i < $ELEMENTS; ++i) {
    float scaled = $LIMIT(input[i] / $SCALE, -1024.0f, 1024.0f);
    int32_t code = (int32_t)scaled;
    float rest = scaled - (float)code;
    code += (rest >= 0.5f) - (rest <= -0.5f);
    output[i] = $CLAMP(code + ($ZERO), -128, 127);
  }
}
"""
_DEQUANTIZE = """
static void @NAME@(const int8_t *input, float *output)
{
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = (float)(input[i] - ($ZERO)) * $SCALE;
}
"""


@dataclass(frozen=True, slots=True)
class Convert(Portable):
    """One loop either way."""

    name: str = "conversion"

    def accepts(self, layer: Layer) -> bool:
        """Every quantisation and dequantisation."""
        return isinstance(layer.kind, Quantize | Dequantize)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per scale."""
        forwards = isinstance(layer.kind, Quantize)
        integers = layer.result if forwards else layer.operands[0]
        more = {"CLAMP": clamp_function(program), "LIMIT": limit(program)} if forwards else {}
        text = fill(
            _QUANTIZE if forwards else _DEQUANTIZE,
            ELEMENTS=layer.result.elements,
            SCALE=real(scale_of(integers)),
            ZERO=zero_point_of(integers),
            **more,
        )
        return f"{program.function('convert', text)}((const void *){places.operands[0]}, (void *){places.result});"


KERNELS: tuple[Kernel, ...] = (Convert(),)
