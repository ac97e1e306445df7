"""Fully connected layers with SMLAD: four outputs at a time, operands widened on the fly."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp
from lwm2m_ml.compiler.backends.native.kernels.armv7em.stream import pack_pair
from lwm2m_ml.compiler.backends.native.kernels.assembly import thumb_function
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import scaling
from lwm2m_ml.compiler.ir.kinds import FullyConnected
from lwm2m_ml.compiler.ir.tensor import Array

_OUTPUTS = 4
_LARGEST_DOT_PRODUCT = 1 << 23
PROTOTYPE = "extern const uint32_t *@NAME@(const uint32_t *stream, const int8_t *input, int32_t groups, int32_t *sums);"
# 256·A + B in r4 and r6, B in r5 and r7; see stream.py.
_GROUP = """
    ldr     r8, [r1], #4
    ldm     r0!, {r10, r11, r12, lr}
    sxtb16  r9, r8
    sxtb16  r8, r8, ror #8
    smlad   r4, r10, r9, r4
    sxtb16  r10, r10
    smlad   r5, r10, r9, r5
    smlad   r6, r11, r9, r6
    sxtb16  r11, r11
    smlad   r7, r11, r9, r7
    smlad   r4, r12, r8, r4
    sxtb16  r12, r12
    smlad   r5, r12, r8, r5
    smlad   r6, lr, r8, r6
    sxtb16  lr, lr
    smlad   r7, lr, r8, r7
"""
_TEXT = f"""
    push    {{r4-r11, lr}}
    movs    r4, #0
    movs    r5, #0
    movs    r6, #0
    movs    r7, #0
    lsrs    r2, r2, #1
    bcc     1f
    adds    r2, r2, #1
    b       2f
1:{_GROUP}
2:{_GROUP}
    subs    r2, r2, #1
    bne     1b
    sub     r4, r4, r5
    asrs    r4, r4, #8
    sub     r6, r6, r7
    asrs    r6, r6, #8
    stm     r3!, {{r4-r7}}
    pop     {{r4-r11, pc}}
"""
_TEMPLATE = """
static void @NAME@(const int8_t *input, int8_t *output, const uint32_t *stream, const int32_t *bias$PARAMETERS)
{
  int32_t sums[4];
  for (int32_t channel = 0; channel < $OUTPUTS; ++channel) {
    if (channel % 4 == 0) stream = $DOT(stream, input, $GROUPS, sums);
    int32_t sum = sums[channel % 4] + bias[channel];
    output[channel] = $SCALED;
  }
}
"""


def _stream(filters: Array) -> Array:
    """For four inputs at a time: the words of both pairs of channels for inputs 0 and 2, then for 1 and 3."""
    count = -(-len(filters) // _OUTPUTS) * _OUTPUTS
    padded = numpy.zeros((count, filters.shape[1]), numpy.int64)
    padded[: len(filters)] = filters
    groups = range(filters.shape[1] // 4)
    order = [pair for g in groups for pair in ((4 * g, 4 * g + 2), (4 * g + 1, 4 * g + 3))]
    blocks = [
        numpy.stack(
            [pack_pair(padded[c], padded[c + 1], order), pack_pair(padded[c + 2], padded[c + 3], order)], axis=1
        )
        for c in range(0, count, _OUTPUTS)
    ]
    return numpy.concatenate(blocks).reshape(-1)


@dataclass(frozen=True, slots=True)
class PackedFullyConnected(Portable):
    """Dot products of packed weights with an operand that stays in eight bits."""

    name: str = "fully connected, SMLAD 4"

    def accepts(self, layer: Layer) -> bool:
        """One row, inputs in fours, sums within the packing's bounds."""
        if not (isinstance(layer.kind, FullyConnected) and has_dsp(layer.target)):
            return False
        rows, weights, _ = layer.operands
        sums = numpy.abs(weights.values.astype(numpy.int64)).sum(axis=1) * 128
        return (
            rows.shape[0] == 1
            and rows.shape[1] % 4 == 0
            and weights.values.min() >= -127
            and bool(sums.max() < _LARGEST_DOT_PRODUCT)
            and folded_bias(layer, weights.values.sum(axis=1, dtype=numpy.int64)) is not None
        )

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver per shape; the dot product is shared."""
        weights = layer.operands[1].values
        bias = folded_bias(layer, weights.sum(axis=1, dtype=numpy.int64))
        assert bias is not None  # noqa: S101 - see accepts
        scale = scaling(program, layer.requantization)
        text = fill(
            _TEMPLATE,
            PARAMETERS=scale.parameters,
            OUTPUTS=weights.shape[0],
            GROUPS=weights.shape[1] // 4,
            DOT=program.assembly("dot", thumb_function(_TEXT), PROTOTYPE),
            SCALED=scale.expression("sum"),
        )
        constants = f"{program.constant(_stream(weights))}, {program.constant(bias)}{scale.arguments}"
        return f"{program.function('fully_connected', text)}({places.operands[0]}, {places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (PackedFullyConnected(),)
