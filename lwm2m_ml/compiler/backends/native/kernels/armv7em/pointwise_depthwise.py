"""Pointwise into depthwise: each channel of the pointwise result is computed into the plane that depthwise reads.

The tensor between the two, often the largest of a network, is never in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.armv7em.block import rounding_term
from lwm2m_ml.compiler.backends.native.kernels.armv7em.convolution import BlockConvolution
from lwm2m_ml.compiler.backends.native.kernels.armv7em.depthwise import (
    STATE_TEXT,
    PlaneDepthwise,
    depthwise_bias,
    plane_shape,
)
from lwm2m_ml.compiler.backends.native.kernels.armv7em.plane import STATE_WORDS, limit_text, plane_function
from lwm2m_ml.compiler.backends.native.kernels.assembly import thumb_function
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.constants import (
    Words,
    byte_words,
    channel_parameters,
    driver,
)
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Convolution
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import Requantization

_INPUTS = 8
_STATE_WORDS = 11
_PROTOTYPE = "extern void @NAME@(const int8_t *input, int16_t *plane, const uint32_t *state);"
# State: four pairs of doubled weights, multiplier, rounding, shift, bias, columns, rows, gap between rows in bytes.
_ASSEMBLY = """
    push    {{r4-r11, lr}}
    ldm     r2!, {{r4-r10}}
    ldm     r2, {{r2, r3, r11, r12}}
    push    {{r2, r3, r11, r12}}
1:  ldr     r3, [sp, #4]
2:  ldrd    r11, r12, [r0], #8
    ldr     r2, [sp]
    sxtb16  lr, r11
    smlad   r2, lr, r4, r2
    sxtb16  lr, r11, ror #8
    smlad   r2, lr, r5, r2
    sxtb16  lr, r12
    smlad   r2, lr, r6, r2
    sxtb16  lr, r12, ror #8
    smlad   r2, lr, r7, r2
    smmulr  r2, r2, r8
{away}    add     r2, r2, r9
    asr     r2, r2, r10
    ssat    r2, #8, r2
{limits}    strh    r2, [r1], #2
    subs    r3, r3, #1
    bne     2b
    ldr     r3, [sp, #12]
    add     r1, r1, r3
    ldr     r3, [sp, #8]
    subs    r3, r3, #1
    str     r3, [sp, #8]
    bne     1b
    add     sp, sp, #16
    pop     {{r4-r11, pc}}
"""
_STATE = """
static void @NAME@(uint32_t *state, const int8_t *weights, const int32_t *parameters, int32_t rounding)
{
  static const int8_t first[] = {0, 1, 4, 5};
  int32_t shift = parameters[0] & 31;
  for (int32_t i = 0; i < 4; ++i) {
    const int8_t *pair = weights + first[i];
    state[i] = (uint16_t)(2 * pair[0]) | (uint32_t)(2 * pair[2]) << 16;
  }
  state[4] = (uint32_t)parameters[1];
  state[5] = (uint32_t)((int32_t)((uint32_t)rounding << shift) >> 1);
  state[6] = (uint32_t)shift;
  state[7] = (uint32_t)(parameters[0] >> 5) * 2;
}
"""
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, int16_t *plane,
  const uint32_t *constants)
{
  const int32_t *parameters = (const int32_t *)$REST;
  const int8_t *weights = (const int8_t *)(parameters + 4 * CHANNELS);
  uint32_t point[$POINT_WORDS], state[$STATE_WORDS];
  point[8] = IN_WIDTH;
  point[9] = IN_HEIGHT;
  point[10] = 2 * (PITCH - IN_WIDTH);
  state[10] = CHANNELS;
  state[11] = OUT_WIDTH;
  state[12] = OUT_HEIGHT;
  state[13] = PITCH * 2;
  for (int32_t i = 0; i < PLANE; ++i) plane[i] = ZERO;
  for (int32_t channel = 0; channel < CHANNELS; ++channel) {
    $POINT_STATE(point, weights, parameters, FEEDER_ROUNDING);
    $POINT_KERNEL(input, plane + START, point);
    $STATE(state, weights + 8, parameters + 2, ROUNDING);
    $KERNEL(plane, output++, state);
    weights += 17;
    parameters += 4;
  }
}
"""


def _filters(feeder: Layer) -> Array:
    weights = feeder.operands[1].values
    return weights.reshape(len(weights), -1)


def _point_function(program: Program, requantization: Requantization) -> str:
    away = "    add     r2, r2, r2, asr #31\n" if requantization.low < requantization.zero_point else ""
    text = _ASSEMBLY.format(away=away, limits=limit_text(requantization, ("r2",), "lr"))
    return program.assembly("point", thumb_function(text), _PROTOTYPE)


@dataclass(frozen=True, slots=True)
class PointwiseDepthwise:
    """A pointwise convolution of eight channels and the 3×3 depthwise convolution behind it."""

    name: str = "pointwise into depthwise, SMLAD"

    def accepts(self, layer: Layer) -> bool:
        """Eight inputs, whose weights stay in registers; the bounds of the kernels that compute the two apart."""
        feeder = layer.feeder
        return (
            feeder is not None
            and isinstance(feeder.kind, Convolution)
            and feeder.kind.stride == (1, 1)
            and feeder.kind.padding.is_zero
            and feeder.operands[1].shape[1:] == (1, 1, _INPUTS)
            and BlockConvolution().accepts(feeder)
            and PlaneDepthwise().accepts(layer)
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """The plane of the depthwise convolution."""
        return PlaneDepthwise().scratch_bytes(layer)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """None: every channel reads the whole operand."""
        return {}

    def replaces(self, layer: Layer) -> int | None:
        """None; see `overlaps`."""
        return None

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver and the two kernels."""
        feeder, bias = layer.feeder, depthwise_bias(layer)
        assert feeder is not None  # noqa: S101 - see accepts
        assert bias is not None  # noqa: S101 - see accepts
        channels = layer.operands[0].shape[3]
        shape = plane_shape(layer) | {
            "CHANNELS": channels,
            "FEEDER_ROUNDING": rounding_term(feeder.requantization),
        }
        text, words = driver(_DRIVER, shape, [shape], _constants(layer, feeder, bias))
        text = fill(
            text,
            POINT_WORDS=_STATE_WORDS,
            STATE_WORDS=STATE_WORDS,
            POINT_STATE=program.function("point_state", _STATE),
            POINT_KERNEL=_point_function(program, feeder.requantization),
            STATE=program.function("channel_state", STATE_TEXT),
            KERNEL=plane_function(program, layer.requantization, layer.kind.stride[0]),  # type: ignore[union-attr]
        )
        constants = program.constant(words, alignment=4)
        function = program.function("pointwise_depthwise", text)
        return f"{function}({places.operands[0]}, {places.result}, (int16_t *){places.scratch}, {constants});"


def _constants(layer: Layer, feeder: Layer, bias: Array) -> Words:
    """Per channel the parameters of both layers; per channel eight weights and nine."""
    filters = _filters(feeder)
    feeder_bias = folded_bias(feeder, filters.sum(axis=1, dtype=numpy.int64))
    assert feeder_bias is not None  # noqa: S101 - see accepts
    parameters = numpy.concatenate(
        [channel_parameters(feeder, feeder_bias), channel_parameters(layer, bias)], axis=1
    ).reshape(-1)
    weights = numpy.concatenate([filters, layer.operands[1].values.reshape(9, -1).T], axis=1)
    return numpy.concatenate([parameters, byte_words(weights)])


KERNELS: tuple[Kernel, ...] = (PointwiseDepthwise(),)
