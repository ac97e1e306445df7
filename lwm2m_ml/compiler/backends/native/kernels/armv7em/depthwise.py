"""Depthwise 3×3 convolution with SMLAD, channel by channel through a padded plane of 16-bit operands."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp
from lwm2m_ml.compiler.backends.native.kernels.armv7em.block import rounding_term
from lwm2m_ml.compiler.backends.native.kernels.armv7em.plane import STATE_WORDS, gather_function, plane_function
from lwm2m_ml.compiler.backends.native.kernels.armv7em.stream import packable
from lwm2m_ml.compiler.backends.native.kernels.bias import folded_bias
from lwm2m_ml.compiler.backends.native.kernels.constants import (
    LARGEST_LENGTH,
    Words,
    byte_words,
    channel_parameters,
    driver,
    peers,
)
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import DepthwiseConvolution
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# Pairs of doubled weights as halves of a word: the sum is then twice what it is, as SMMULR wants it.
STATE_TEXT = """
static __attribute__((noinline)) void @NAME@(uint32_t *state, const int8_t *weights, const int32_t *parameters,
  int32_t rounding)
{
  int32_t shift = parameters[0] & 31;
  for (int32_t row = 0; row < 3; ++row, weights += 3) {
    *state++ = (uint16_t)(2 * weights[0]) | (uint32_t)(2 * weights[1]) << 16;
    *state++ = (uint16_t)(2 * weights[1]) | (uint32_t)(2 * weights[2]) << 16;
  }
  state[0] = (uint32_t)(parameters[0] >> 5) * 2;
  state[1] = (uint32_t)parameters[1];
  state[2] = (uint32_t)((int32_t)((uint32_t)rounding << shift) >> 1);
  state[3] = shift;
}
"""
# Constants: the shape, so that all layers share one driver, two words of parameters per channel, nine weights each.
_DRIVER = """
static __attribute__((noinline)) void @NAME@(const int8_t *input, int8_t *output, int16_t *plane,
  const uint32_t *constants, void (*kernel)(const int16_t *, int8_t *, const uint32_t *))
{
  const int32_t *parameters = (const int32_t *)$REST;
  const int8_t *weights = (const int8_t *)(parameters + 2 * CHANNELS);
  uint32_t state[$STATE_WORDS];
  state[10] = CHANNELS;
  state[11] = OUT_WIDTH;
  state[12] = OUT_HEIGHT;
  state[13] = PITCH * 2;
  for (int32_t i = 0; i < PLANE; ++i) plane[i] = ZERO;
  for (int32_t channel = 0; channel < CHANNELS; ++channel) {
    $GATHER(input++, plane + START, CHANNELS, IN_WIDTH, IN_HEIGHT, 2 * (PITCH - IN_WIDTH));
    $STATE(state, weights, parameters, ROUNDING);
    kernel(plane, output++, state);
    weights += 9;
    parameters += 2;
  }
}
"""


@dataclass(frozen=True, slots=True)
class _Plane:
    """Size of the padded plane, in 16-bit elements."""

    pitch: int
    rows: int


def _plane(layer: Layer) -> _Plane:
    kind = layer.kind
    assert isinstance(kind, DepthwiseConvolution)  # noqa: S101 - see accepts
    _, height, width, _ = layer.operands[0].shape
    _, out_height, out_width, _ = layer.result.shape
    # Two results are computed at a time, so an odd number of columns reads one further.
    needed = 2 * -(-out_width // 2) * kind.stride[0] + 2
    pitch = max(kind.padding.left + width, needed)
    rows = max(kind.padding.top + height, (out_height - 1) * kind.stride[0] + 3)
    return _Plane(pitch + pitch % 2, rows)


def plane_shape(layer: Layer) -> dict[str, int]:
    """The lengths that drivers of the plane kernel read."""
    kind = layer.kind
    assert isinstance(kind, DepthwiseConvolution)  # noqa: S101 - see accepts
    image, plane = layer.operands[0], _plane(layer)
    return {
        "OUT_WIDTH": layer.result.shape[2],
        "OUT_HEIGHT": layer.result.shape[1],
        "PITCH": plane.pitch,
        "IN_WIDTH": image.shape[2],
        "IN_HEIGHT": image.shape[1],
        "PLANE": plane.pitch * plane.rows,
        "ZERO": zero_point_of(image),
        "START": kind.padding.top * plane.pitch + kind.padding.left,
        "ROUNDING": rounding_term(layer.requantization),
    }


def _shape(layer: Layer) -> dict[str, int]:
    return plane_shape(layer) | {"CHANNELS": layer.operands[0].shape[3]}


def _constants(layer: Layer, bias: Array) -> Words:
    """Parameters and weights of a layer."""
    weights = byte_words(layer.operands[1].values.reshape(9, -1).T)
    return numpy.concatenate([channel_parameters(layer, bias).reshape(-1), weights])


def depthwise_bias(layer: Layer) -> Array | None:
    """The biases with the zero point of the operand folded in; padding holds the zero point."""
    return folded_bias(layer, layer.operands[1].values.sum(axis=(0, 1), dtype=numpy.int64))


@dataclass(frozen=True, slots=True)
class PlaneDepthwise:
    """Any padding, stride one or two; in place when operand and result have the same size."""

    name: str = "depthwise 3×3, SMLAD"

    def accepts(self, layer: Layer) -> bool:
        """One image, a 3×3 window, as many results as operands, sums within bounds."""
        kind = layer.kind
        if not (isinstance(kind, DepthwiseConvolution) and has_dsp(layer.target)):
            return False
        image, weights, _ = layer.operands
        bias = depthwise_bias(layer)
        return (
            image.shape[0] == 1
            and weights.shape == (3, 3, image.shape[3])
            and kind.stride in ((1, 1), (2, 2))
            and kind.dilation == (1, 1)
            and _plane(layer).pitch * _plane(layer).rows < LARGEST_LENGTH
            and bias is not None
            and packable(layer, weights.values.reshape(9, -1).T, bias)
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """One plane."""
        plane = _plane(layer)
        return 2 * plane.pitch * plane.rows

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """None that may be shifted: results of a channel lie between operands of the next ones."""
        return {}

    def replaces(self, layer: Layer) -> int | None:
        """In place exactly: a channel is in the plane before its results are written over it."""
        return 0 if layer.operands[0].shape == layer.result.shape else None

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """A driver per shape; the loops in assembly are shared."""
        kind = layer.kind
        bias = depthwise_bias(layer)
        assert isinstance(kind, DepthwiseConvolution)  # noqa: S101 - see accepts
        assert bias is not None  # noqa: S101 - see accepts
        text, words = driver(_DRIVER, _shape(layer), map(_shape, peers(layer)), _constants(layer, bias))
        text = fill(
            text,
            STATE_WORDS=STATE_WORDS,
            GATHER=gather_function(program),
            STATE=program.function("channel_state", STATE_TEXT),
        )
        constants = program.constant(words, alignment=4)
        kernel = plane_function(program, layer.requantization, kind.stride[0])
        function = program.function("depthwise", text)
        return f"{function}({places.operands[0]}, {places.result}, (int16_t *){places.scratch}, {constants}, {kernel});"


KERNELS: tuple[Kernel, ...] = (PlaneDepthwise(),)
