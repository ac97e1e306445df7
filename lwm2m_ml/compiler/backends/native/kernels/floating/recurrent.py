"""LSTM and GRU on float32."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import (
    hyperbolic_tangent,
    limit,
    logistic,
    real,
)
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm

_PRODUCTS = """
static __attribute__((noinline)) void @NAME@(const float *values, const float *weights, const float *bias,
  int32_t length, int32_t rows, float *sums)
{
  for (int32_t row = 0; row < rows; ++row) {
    float sum = bias[row];
    for (int32_t i = 0; i < length; ++i) sum += values[i] * *weights++;
    sums[row] = sum;
  }
}
"""
_LSTM = """
static void @NAME@(const float *input, float *output, const float *weights, const float *recurrent,
  const float *bias, float *cell)
{
  float *sums = cell + $UNITS;
  for (int32_t sample = 0; sample < $SAMPLES; ++sample) {
    for (int32_t i = 0; i < $UNITS; ++i) cell[i] = 0.0f;
    for (int32_t step = 0; step < $STEPS; ++step, input += $INPUTS, output += $UNITS) {
      $PRODUCTS(input, weights, bias, $INPUTS, 4 * $UNITS, sums);
      if (step > 0) $PRODUCTS(output - $UNITS, recurrent, sums, $UNITS, 4 * $UNITS, sums);
      for (int32_t i = 0; i < $UNITS; ++i) {
        float state = $LOGISTIC(sums[$UNITS + i]) * cell[i] + $LOGISTIC(sums[i]) * $TANH(sums[2 * $UNITS + i]);
        $CLIP
        cell[i] = state;
        output[i] = $LOGISTIC(sums[3 * $UNITS + i]) * $TANH(state);
      }
    }
  }
}
"""
_GRU = """
static void @NAME@(const float *input, float *output, const float *weights, const float *recurrent,
  const float *bias, const float *recurrent_bias, float *state)
{
  float *given = state + $UNITS, *hidden = given + 3 * $UNITS;
  for (int32_t sample = 0; sample < $SAMPLES; ++sample) {
    for (int32_t i = 0; i < $UNITS; ++i) state[i] = 0.0f;
    for (int32_t step = 0; step < $STEPS; ++step, input += $INPUTS, output += $UNITS) {
      $PRODUCTS(input, weights, bias, $INPUTS, 3 * $UNITS, given);
      $PRODUCTS(state, recurrent, recurrent_bias, $UNITS, $FIRST_ROWS, hidden);
      for (int32_t i = 0; i < 2 * $UNITS; ++i) given[i] = $LOGISTIC(given[i] + hidden[i]);
      $MEMORY
      for (int32_t i = 0; i < $UNITS; ++i) {
        float memory = hidden[2 * $UNITS + i]$RESET;
        float new = $TANH(given[2 * $UNITS + i] + memory);
        state[i] = (1.0f - given[i]) * new + given[i] * state[i];
        output[i] = state[i];
      }
    }
  }
}
"""
# The first two gates' sums are used up, so their place takes the state behind the reset gate.
_RESET_BEFORE = """
      for (int32_t i = 0; i < $UNITS; ++i) hidden[i] = given[$UNITS + i] * state[i];
      $PRODUCTS(hidden, recurrent + 2 * $UNITS * $UNITS, recurrent_bias + 2 * $UNITS, $UNITS, $UNITS,
        hidden + 2 * $UNITS);
"""


@dataclass(frozen=True, slots=True)
class FloatRecurrent(Portable):
    """Step after step; states in scratch memory."""

    name: str = "recurrent, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every LSTM and GRU."""
        return isinstance(layer.kind, Lstm | Gru)

    def scratch_bytes(self, layer: Layer) -> int:
        """The state and the sums of all gates, those of a GRU twice."""
        return 4 * layer.result.shape[2] * (5 if isinstance(layer.kind, Lstm) else 7)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        kind = layer.kind
        assert isinstance(kind, Lstm | Gru)  # noqa: S101 - see accepts
        text = _lstm(layer, program, kind) if isinstance(kind, Lstm) else _gru(layer, program, kind)
        constants = ", ".join(program.constant(tensor.values) for tensor in layer.operands[1:])
        pointers = f"(const void *){places.operands[0]}, (void *){places.result}"
        return f"{program.function('recurrent', text)}({pointers}, {constants}, (void *){places.scratch});"


def _common(layer: Layer, program: Program) -> dict[str, object]:
    sequence = layer.operands[0]
    return {
        "SAMPLES": sequence.shape[0],
        "STEPS": sequence.shape[1],
        "INPUTS": sequence.shape[2],
        "UNITS": layer.result.shape[2],
        "PRODUCTS": program.function("products", _PRODUCTS),
        "LOGISTIC": logistic(program),
        "TANH": hyperbolic_tangent(program),
    }


def _lstm(layer: Layer, program: Program, kind: Lstm) -> str:
    clip = f"state = {limit(program)}(state, {real(-kind.cell_clip)}, {real(kind.cell_clip)});"
    return fill(_LSTM, **_common(layer, program), CLIP=clip if kind.cell_clip > 0 else "")


def _gru(layer: Layer, program: Program, kind: Gru) -> str:
    template = _GRU.replace("$MEMORY", "" if kind.reset_after else _RESET_BEFORE)
    template = template.replace("$RESET", " * given[$UNITS + i]" if kind.reset_after else "")
    return fill(template, **_common(layer, program), FIRST_ROWS=(3 if kind.reset_after else 2) * layer.result.shape[2])


KERNELS: tuple[Kernel, ...] = (FloatRecurrent(),)
