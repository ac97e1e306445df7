"""Elementwise functions of one and two operands on float32, in place where the operand is not needed any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import (
    activated,
    exponential,
    hyperbolic_tangent,
    limit,
    logarithm,
    logistic,
    real,
)
from lwm2m_ml.compiler.backends.native.kernels.loops import broadcast_steps, index, loops
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.kinds import Binary, BinaryFunction, ParametricRelu, Unary, UnaryFunction

_BINARY = """
static void @NAME@(const float *left, const float *right, float *output)
{
  int32_t place = 0;
  $LOOPS{
    float first = left[$LEFT_INDEX];
    float second = right[$RIGHT_INDEX];
    output[place++] = $VALUE;
  }
}
"""
_UNARY = """
static void @NAME@(const float *input, float *output)
{
  for (int32_t i = 0; i < $ELEMENTS; ++i) {
    float x = input[i];
    output[i] = $VALUE;
  }
}
"""
_TWO = {
    BinaryFunction.ADD: "first + second",
    BinaryFunction.SUBTRACT: "first - second",
    BinaryFunction.MULTIPLY: "first * second",
    BinaryFunction.MINIMUM: "(first < second ? first : second)",
    BinaryFunction.MAXIMUM: "(first > second ? first : second)",
}
_ONE: Mapping[UnaryFunction, Callable[[Program, float], str]] = {
    UnaryFunction.RELU: lambda _program, _alpha: "x > 0.0f ? x : 0.0f",
    UnaryFunction.RELU6: lambda program, _alpha: f"{limit(program)}(x, 0.0f, 6.0f)",
    UnaryFunction.RELU_N1_TO_1: lambda program, _alpha: f"{limit(program)}(x, -1.0f, 1.0f)",
    UnaryFunction.LEAKY_RELU: lambda _program, alpha: f"x >= 0.0f ? x : x * {real(alpha)}",
    UnaryFunction.LOGISTIC: lambda program, _alpha: f"{logistic(program)}(x)",
    UnaryFunction.TANH: lambda program, _alpha: f"{hyperbolic_tangent(program)}(x)",
    UnaryFunction.HARD_SWISH: lambda program, _alpha: f"x * {limit(program)}(x + 3.0f, 0.0f, 6.0f) / 6.0f",
    UnaryFunction.HARD_SIGMOID: lambda program, _alpha: f"{limit(program)}(x / 6.0f + 0.5f, 0.0f, 1.0f)",
    UnaryFunction.LOG: lambda program, alpha: f"{logarithm(program)}(x > {real(alpha)} ? x : {real(alpha)})",
    UnaryFunction.ELU: lambda program, _alpha: f"x >= 0.0f ? x : {exponential(program)}(x) - 1.0f",
}


@dataclass(frozen=True, slots=True)
class FloatBinary(Portable):
    """Functions of two operands and parametric rectifiers, with broadcasting."""

    name: str = "elementwise, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every elementwise function of two operands."""
        return isinstance(layer.kind, Binary | ParametricRelu)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place of an operand that is not broadcast: each element is read before it is written."""
        return {place: 0 for place in (0, 1) if layer.operands[place].elements == layer.result.elements}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One function per shape."""
        left, right = (broadcast_steps(operand.shape, layer.result.shape) for operand in layer.operands)
        value = "first >= 0.0f ? first : first * second"
        if isinstance(layer.kind, Binary):
            value = activated(program, _TWO[layer.kind.function], layer.kind.activation)
        text = fill(
            _BINARY, LOOPS=loops(layer.result.shape), LEFT_INDEX=index(left), RIGHT_INDEX=index(right), VALUE=value
        )
        operands = ", ".join(f"(const void *){place}" for place in places.operands)
        return f"{program.function('elementwise', text)}({operands}, (void *){places.result});"


@dataclass(frozen=True, slots=True)
class FloatUnary(Portable):
    """Functions of one operand."""

    name: str = "function, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every elementwise function of one operand."""
        return isinstance(layer.kind, Unary)

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """In place."""
        return {0: 0}

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One loop."""
        kind = layer.kind
        assert isinstance(kind, Unary)  # noqa: S101 - see accepts
        value = _ONE[kind.function](program, kind.alpha)
        function = program.function("function", fill(_UNARY, ELEMENTS=layer.result.elements, VALUE=value))
        return f"{function}((const void *){places.operands[0]}, (void *){places.result});"


KERNELS: tuple[Kernel, ...] = (FloatBinary(), FloatUnary())
