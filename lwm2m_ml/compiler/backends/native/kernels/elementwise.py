"""Elementwise arithmetic in plain C, in place where the operand is not needed any more."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.arithmetic import quantize_multiplier
from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.loops import broadcast_steps, index, loops
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.backends.native.scaling import clamp_function, multiply_any_shift
from lwm2m_ml.compiler.ir.kinds import Binary, BinaryFunction, Requantize, Unary
from lwm2m_ml.compiler.reference.elementwise import ADD_LEFT_SHIFT, AddParameters, add_parameters, unary_table
from lwm2m_ml.compiler.reference.requantization import limits_of, scale_of, zero_point_of

_BINARY = """
static void @NAME@(const int8_t *left, const int8_t *right, int8_t *output)
{
  int32_t index = 0;
  $LOOPS{
    int32_t first = left[$LEFT_INDEX]$FIRST_OFFSET;
    int32_t second = right[$RIGHT_INDEX]$SECOND_OFFSET;
    output[index++] = $CLAMP($VALUE + ($ZERO), $LOW, $HIGH);
  }
}
"""
_TABLE = """
static void @NAME@(const int8_t *input, int8_t *output, const int8_t *table)
{
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = table[input[i] + 128];
}
"""


# Both operands and the result share one quantisation, so codes are compared as they are.
_EXTREMES = {
    BinaryFunction.MINIMUM: "(first < second ? first : second)",
    BinaryFunction.MAXIMUM: "(first > second ? first : second)",
}


@dataclass(frozen=True, slots=True)
class PlainBinary(Portable):
    """Add, subtract and multiply, with broadcasting."""

    name: str = "elementwise, plain C"

    def accepts(self, layer: Layer) -> bool:
        """Every elementwise function of two operands."""
        return isinstance(layer.kind, Binary)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place of an operand that is not broadcast: each element is read before it is written."""
        return {index: 0 for index in (0, 1) if layer.operands[index].elements == layer.result.elements}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape and scale."""
        kind = layer.kind
        assert isinstance(kind, Binary)  # noqa: S101 - see accepts
        left, right = layer.operands
        shape = layer.result.shape
        plain = left.shape == right.shape == shape
        extreme = kind.function in _EXTREMES
        low, high = limits_of(layer.result, kind.activation)
        text = fill(
            _BINARY,
            LOOPS=f"while (index < {layer.result.elements}) " if plain else loops(shape),
            LEFT_INDEX="index" if plain else index(broadcast_steps(left.shape, shape)),
            RIGHT_INDEX="index" if plain else index(broadcast_steps(right.shape, shape)),
            FIRST_OFFSET="" if extreme else _offset(zero_point_of(left)),
            SECOND_OFFSET="" if extreme else _offset(zero_point_of(right)),
            CLAMP=clamp_function(program),
            VALUE=_value(layer, program, kind.function),
            ZERO=0 if extreme else zero_point_of(layer.result),
            LOW=low,
            HIGH=high,
        )
        return f"{program.function('elementwise', text)}({', '.join(places.operands)}, {places.result});"


def _value(layer: Layer, program: Program, function: BinaryFunction) -> str:
    if function in _EXTREMES:
        return _EXTREMES[function]
    return _product(layer, program) if function is BinaryFunction.MULTIPLY else _sum(layer, program)


def _offset(zero_point: int) -> str:
    return f" - ({zero_point})" if zero_point else ""


def _product(layer: Layer, program: Program) -> str:
    left, right = layer.operands
    multiplier, shift = quantize_multiplier(scale_of(left) * scale_of(right) / scale_of(layer.result))
    return f"{multiply_any_shift(program)}(first * second, {multiplier}, {shift})"


def _sum(layer: Layer, program: Program) -> str:
    parameters: AddParameters = add_parameters(layer.graph, layer.operation)
    multiply = multiply_any_shift(program)
    terms = [
        f"{multiply}({name} * {1 << ADD_LEFT_SHIFT}, {multiplier}, {shift})"
        for name, (_, multiplier, shift) in (("first", parameters.left), ("second", parameters.right))
    ]
    _, multiplier, shift = parameters.result
    return f"{multiply}({terms[0]} + {terms[1]}, {multiplier}, {shift})"


@dataclass(frozen=True, slots=True)
class Table(Portable):
    """A function of one operand, looked up."""

    name: str = "table"

    def accepts(self, layer: Layer) -> bool:
        """Every elementwise function of one operand."""
        return isinstance(layer.kind, Unary | Requantize)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One loop; the table holds the function."""
        table = program.constant(unary_table(layer.graph, layer.operation))
        function = program.function("table", fill(_TABLE, ELEMENTS=layer.result.elements))
        return f"{function}({places.operands[0]}, {places.result}, {table});"


KERNELS: tuple[Kernel, ...] = (PlainBinary(), Table())
