"""LSTM and GRU on int8 in plain C. The states live in scratch memory and begin at zero in every inference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.fixed_point16 import logistic16, saturate16, shift_down, tanh16
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function, multiply_any_shift
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm
from lwm2m_ml.compiler.reference.gru import gru_parameters
from lwm2m_ml.compiler.reference.lstm import GateParameters, lstm_parameters
from lwm2m_ml.compiler.reference.requantization import zero_point_of

# One row of products per unit and gate, scaled to Q3.12 and limited to int16.
_PRODUCTS = """
static __attribute__((noinline)) void @NAME@(const int8_t *codes, int32_t zero, const int8_t *weights,
  const int32_t *bias, const int32_t *scale, int32_t length, int32_t rows, int16_t *sums)
{
  for (int32_t row = 0; row < rows; ++row, weights += length) {
    int32_t gate = row / $UNITS;
    int32_t sum = bias[row];
    for (int32_t i = 0; i < length; ++i) sum += (codes[i] - zero) * weights[i];
    sums[row] = (int16_t)$SATURATE($MULTIPLY(sum, scale[2 * gate], scale[2 * gate + 1]));
  }
}
"""
_LSTM = """
static void @NAME@(const int8_t *input, int8_t *output, const int8_t *weights, const int8_t *recurrent,
  const int32_t *bias, const int32_t *nothing, const int32_t *scale, int16_t *cell)
{
  int16_t *given = cell + $UNITS, *hidden = given + 4 * $UNITS;
  for (int32_t sample = 0; sample < $SAMPLES; ++sample) {
    for (int32_t i = 0; i < $UNITS; ++i) cell[i] = 0;
    for (int32_t step = 0; step < $STEPS; ++step, input += $INPUTS, output += $UNITS) {
      $PRODUCTS(input, $INPUT_ZERO, weights, bias, scale, $INPUTS, 4 * $UNITS, given);
      if (step > 0) {
        $PRODUCTS(output - $UNITS, $ZERO, recurrent, nothing, scale + 8, $UNITS, 4 * $UNITS, hidden);
        for (int32_t i = 0; i < 4 * $UNITS; ++i) given[i] = (int16_t)$SATURATE(given[i] + hidden[i]);
      }
      for (int32_t i = 0; i < $UNITS; ++i) {
        int32_t kept = $SHIFT($LOGISTIC(given[$UNITS + i]) * cell[i], 15);
        int32_t added = $SHIFT($LOGISTIC(given[i]) * $TANH(given[2 * $UNITS + i], 3), $CELL_SHIFT);
        int32_t state = $SATURATE(kept + added);
        $CLIP
        cell[i] = (int16_t)state;
        int32_t product = $LOGISTIC(given[3 * $UNITS + i]) * $TANH(state, $CELL_BITS);
        output[i] = $CLAMP($MULTIPLY(product, $RESULT) + ($ZERO), -128, 127);
      }
    }
  }
}
"""
_GRU = """
static void @NAME@(const int8_t *input, int8_t *output, const int8_t *weights, const int8_t *recurrent,
  const int32_t *bias, const int32_t *recurrent_bias, const int32_t *scale, int16_t *state)
{
  int16_t *given = state + $UNITS, *hidden = given + 3 * $UNITS;
  int8_t *codes = (int8_t *)(hidden + 3 * $UNITS);
  for (int32_t sample = 0; sample < $SAMPLES; ++sample) {
    for (int32_t i = 0; i < $UNITS; ++i) state[i] = 0;
    for (int32_t step = 0; step < $STEPS; ++step, input += $INPUTS, output += $UNITS) {
      $PRODUCTS(input, $INPUT_ZERO, weights, bias, scale, $INPUTS, 3 * $UNITS, given);
      for (int32_t i = 0; i < $UNITS; ++i) codes[i] = $CODE(state[i]);
      $PRODUCTS(codes, $ZERO, recurrent, recurrent_bias, scale + 6, $UNITS, $FIRST_ROWS, hidden);
      for (int32_t i = 0; i < 2 * $UNITS; ++i) given[i] = (int16_t)$LOGISTIC($SATURATE(given[i] + hidden[i]));
      $MEMORY
      for (int32_t i = 0; i < $UNITS; ++i) {
        int32_t memory = hidden[2 * $UNITS + i];
        $RESET
        int32_t new = $TANH($SATURATE(given[2 * $UNITS + i] + memory), 3);
        int32_t kept = $SHIFT(given[i] * state[i], 15);
        state[i] = (int16_t)$SATURATE(kept + $SHIFT((32767 - given[i]) * new, 15));
        output[i] = $CODE(state[i]);
      }
    }
  }
}
"""
_CODE = """
static int8_t @NAME@(int32_t state)
{
  return $CLAMP($MULTIPLY(state, $RESULT) + ($ZERO), -128, 127);
}
"""
# The reset gate acts on the state before the product: the third gate's rows come in a call of their own.
_RESET_BEFORE = """
      for (int32_t i = 0; i < $UNITS; ++i) codes[i] = $CODE($SHIFT(given[$UNITS + i] * state[i], 15));
      $PRODUCTS(codes, $ZERO, recurrent + 2 * $UNITS * $UNITS, recurrent_bias + 2 * $UNITS, scale + 10, $UNITS,
        $UNITS, hidden + 2 * $UNITS);
"""
_RESET_AFTER = "memory = $SHIFT(given[$UNITS + i] * memory, 15);"


def _scales(program: Program, gates: GateParameters) -> str:
    """The multiplier and shift of every gate, for the input and then for the hidden state."""
    pairs = [number for pair in (*gates.given, *gates.hidden) for number in pair]
    return program.constant(numpy.array(pairs, numpy.int32))


def _common(layer: Layer, program: Program) -> dict[str, object]:
    sequence = layer.operands[0]
    units = layer.result.shape[2]
    multiply, saturate = multiply_any_shift(program), saturate16(program)
    products = fill(_PRODUCTS, UNITS=units, MULTIPLY=multiply, SATURATE=saturate)
    return {
        "SAMPLES": sequence.shape[0],
        "STEPS": sequence.shape[1],
        "INPUTS": sequence.shape[2],
        "UNITS": units,
        "INPUT_ZERO": f"({zero_point_of(sequence)})",
        "PRODUCTS": program.function("products", products),
        "SATURATE": saturate,
        "SHIFT": shift_down(program),
        "LOGISTIC": logistic16(program),
        "TANH": tanh16(program),
    }


def _call(function: str, places: Places, constants: Sequence[str]) -> str:
    arguments = [places.operands[0], places.result, *constants, f"(void *){places.scratch}"]
    return f"{function}({', '.join(arguments)});"


@dataclass(frozen=True, slots=True)
class IntegerLstm(Portable):
    """Step after step; the result of a step is the hidden state of the next."""

    name: str = "LSTM, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every LSTM."""
        return isinstance(layer.kind, Lstm)

    def scratch_bytes(self, layer: Layer) -> int:
        """The cell state, and the sums of all gates twice."""
        return 2 * 9 * layer.result.shape[2]

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape; the products are shared."""
        _, weights, recurrent, bias = layer.operands
        parameters = lstm_parameters(layer.graph, layer.operation)
        most = parameters.clip
        clip = f"state = state < -{most} ? -{most} : state > {most} ? {most} : state;"
        text = fill(
            _LSTM,
            **_common(layer, program),
            ZERO=parameters.zero_point,
            CELL_SHIFT=15 + parameters.cell_bits,
            CELL_BITS=parameters.cell_bits,
            CLIP=clip if most else "",
            RESULT=f"{parameters.result[0]}, {parameters.result[1]}",
            MULTIPLY=multiply_any_shift(program),
            CLAMP=clamp_function(program),
        )
        nothing = program.constant(numpy.zeros(bias.elements, numpy.int32))
        constants = [program.constant(tensor.values) for tensor in (weights, recurrent, bias)]
        return _call(program.function("lstm", text), places, [*constants, nothing, _scales(program, parameters.gates)])


@dataclass(frozen=True, slots=True)
class IntegerGru(Portable):
    """Step after step, with the hidden state in int16."""

    name: str = "GRU, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every GRU."""
        return isinstance(layer.kind, Gru)

    def scratch_bytes(self, layer: Layer) -> int:
        """The hidden state in int16 and int8, and the sums of all gates twice."""
        return (2 * 7 + 1) * layer.result.shape[2]

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape; the products are shared."""
        kind = layer.kind
        assert isinstance(kind, Gru)  # noqa: S101 - see accepts
        parameters = gru_parameters(layer.graph, layer.operation)
        code = fill(
            _CODE,
            CLAMP=clamp_function(program),
            MULTIPLY=multiply_any_shift(program),
            RESULT=f"{parameters.result[0]}, {parameters.result[1]}",
            ZERO=parameters.zero_point,
        )
        template = _GRU.replace("$MEMORY", "" if kind.reset_after else _RESET_BEFORE)
        text = fill(
            template.replace("$RESET", _RESET_AFTER if kind.reset_after else ""),
            **_common(layer, program),
            ZERO=f"({parameters.zero_point})",
            CODE=program.function("code", code),
            FIRST_ROWS=(3 if kind.reset_after else 2) * layer.result.shape[2],
        )
        constants = [program.constant(tensor.values) for tensor in layer.operands[1:]]
        return _call(program.function("gru", text), places, [*constants, _scales(program, parameters.gates)])


KERNELS: tuple[Kernel, ...] = (IntegerLstm(), IntegerGru())
