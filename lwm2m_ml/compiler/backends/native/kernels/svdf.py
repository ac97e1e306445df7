"""SVDF in plain C, on int8 with an int16 state and on float32; the next state is written over the last one."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.fixed_point16 import saturate16
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function, multiply_any_shift
from lwm2m_ml.compiler.ir import DataType
from lwm2m_ml.compiler.ir.recurrent import SvdfResult, SvdfState
from lwm2m_ml.compiler.reference.requantization import zero_point_of
from lwm2m_ml.compiler.reference.svdf import result_multiplier, state_multiplier

_STATE = """
static void @NAME@(const $CODE *input, const $CODE *weights, const $STATE *state, $STATE *output)
{
  for (int32_t row = 0; row < $ROWS; ++row, input += $INPUTS)
  for (int32_t filter = 0; filter < $FILTERS; ++filter, state += $MEMORY, output += $MEMORY) {
    $SUM sum = 0;
    const $CODE *weight = weights + filter * $INPUTS;
    for (int32_t i = 0; i < $INPUTS; ++i) sum += (input[i]$OFFSET) * weight[i];
    for (int32_t i = 1; i < $MEMORY; ++i) output[i - 1] = state[i];
    output[$MEMORY - 1] = $VALUE;
  }
}
"""
_RESULT = """
static void @NAME@(const $STATE *state, $CODE *output, const $STATE *weights, const $SUM *bias)
{
  for (int32_t row = 0; row < $ROWS; ++row) {
    const $STATE *weight = weights;
    for (int32_t unit = 0; unit < $UNITS; ++unit) {
      $SUM sum = bias[unit];
      for (int32_t i = 0; i < $TAPS; ++i) sum += *state++ * *weight++;
      *output++ = $VALUE;
    }
  }
}
"""
_INTEGER = {"CODE": "int8_t", "STATE": "int16_t", "SUM": "int32_t"}
_REAL = {"CODE": "float", "STATE": "float", "SUM": "float"}


@dataclass(frozen=True, slots=True)
class NextState(Portable):
    """Every memory moves on by one place and takes its filter's answer."""

    name: str = "SVDF state, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every state."""
        return isinstance(layer.kind, SvdfState)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place of the last state: each place is read before the one before it is written."""
        return {2: 0}

    def replaces(self, layer: Layer) -> int | None:
        """The last state."""
        return 2

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape and scale."""
        rows, _, state = layer.operands
        integer = layer.result.dtype is not DataType.FLOAT32
        value, offset = "sum", ""
        if integer:
            multiplier, shift = state_multiplier(layer.graph, layer.operation)
            value = f"(int16_t){saturate16(program)}({multiply_any_shift(program)}(sum, {multiplier}, {shift}))"
            offset = f" - ({zero_point_of(rows)})"
        text = fill(
            _STATE,
            **(_INTEGER if integer else _REAL),
            ROWS=rows.shape[0],
            INPUTS=rows.shape[1],
            FILTERS=state.shape[1],
            MEMORY=state.shape[2],
            OFFSET=offset,
            VALUE=value,
        )
        operands = ", ".join(f"(const void *){place}" for place in places.operands)
        return f"{program.function('next_state', text)}({operands}, (void *){places.result});"


@dataclass(frozen=True, slots=True)
class Answer(Portable):
    """One sum over the memories of a unit's filters."""

    name: str = "SVDF result, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every result."""
        return isinstance(layer.kind, SvdfResult)

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape and scale."""
        kind = layer.kind
        assert isinstance(kind, SvdfResult)  # noqa: S101 - see accepts
        state, weights, bias = layer.operands
        integer = layer.result.dtype is not DataType.FLOAT32
        value = "sum < 0.0f ? 0.0f : sum" if kind.rectified else "sum"
        if integer:
            multiplier, shift = result_multiplier(layer.graph, layer.operation)
            scaled = f"{multiply_any_shift(program)}(sum, {multiplier}, {shift})"
            value = f"{clamp_function(program)}({scaled} + ({zero_point_of(layer.result)}), -128, 127)"
        text = fill(
            _RESULT,
            **(_INTEGER if integer else _REAL),
            ROWS=state.shape[0],
            UNITS=layer.result.shape[1],
            TAPS=kind.rank * state.shape[2],
            VALUE=value,
        )
        constants = f"{program.constant(weights.values)}, {program.constant(bias.values)}"
        function = program.function("answer", text)
        return f"{function}((const void *){places.operands[0]}, (void *){places.result}, {constants});"


KERNELS: tuple[Kernel, ...] = (NextState(), Answer())
