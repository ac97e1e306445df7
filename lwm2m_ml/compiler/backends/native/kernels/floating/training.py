"""The operations of a training step in plain C: sums from the first to the last term, as the reference takes them.

State is changed where it lies: a kernel whose result shares its operand's memory touches only what changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import exponential, limit, logarithm, real
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.training import (
    TRAINING,
    Carried,
    Checksum,
    Control,
    CrossEntropy,
    Descent,
    HiddenGradient,
    Momentum,
    OutputGradient,
    ParameterGradient,
    Probabilities,
    Released,
    TrainableLayer,
)
from lwm2m_ml.compiler.reference.training import SMALLEST_PROBABILITY

_COPY = "if (output != state) for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = state[i];"
_CARRIED = f"""
static void @NAME@(const float *control, const float *state$PARAMETER, float *output)
{{
  if (control[$KEEP] != 0.0f) {{
    {_COPY}
    return;
  }}
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = $INITIAL;
}}
"""
_LAYER = """
static void @NAME@(const float *input, const float *parameters, float *output)
{
  const float *weight = parameters + $START;
  for (int32_t channel = 0; channel < $OUTPUTS; ++channel, weight += $INPUTS + 1) {
    float sum = weight[$INPUTS];
    for (int32_t i = 0; i < $INPUTS; ++i) sum += input[i] * weight[i];
    output[channel] = $VALUE;
  }
}
"""
_PROBABILITIES = """
static void @NAME@(const float *input, float *output)
{
  float maximum = input[0], sum = 0.0f;
  for (int32_t i = 1; i < $CLASSES; ++i) if (input[i] > maximum) maximum = input[i];
  for (int32_t i = 0; i < $CLASSES; ++i) {
    output[i] = $EXP(input[i] - maximum);
    sum += output[i];
  }
  for (int32_t i = 0; i < $CLASSES; ++i) output[i] = output[i] / sum;
}
"""
# Comparisons with something undefined are false: such a class is none.
_TRUE_CLASS = """
static int32_t @NAME@(const float *control)
{
  float given = control[$CLASS];
  return given >= 0.0f && given < $CLASSES.0f && control[$WEIGHT] != 0.0f ? (int32_t)given : -1;
}
"""
_CROSS_ENTROPY = """
static void @NAME@(const float *input, const float *control, float *output)
{
  int32_t true_class = $TRUE_CLASS(control);
  float chosen = true_class < 0 ? 1.0f : input[true_class];
  output[0] = true_class < 0 ? 0.0f : -$LOG(chosen > $SMALLEST ? chosen : $SMALLEST);
}
"""
_OUTPUT_GRADIENT = """
static void @NAME@(const float *input, const float *control, float *output)
{
  int32_t true_class = $TRUE_CLASS(control);
  for (int32_t i = 0; i < $CLASSES; ++i)
    output[i] = true_class < 0 ? 0.0f : control[$WEIGHT] * (i == true_class ? input[i] - 1.0f : input[i]);
}
"""
_HIDDEN_GRADIENT = """
static void @NAME@(const float *gradient, const float *parameters, const float *input, float *output)
{
  for (int32_t i = 0; i < $INPUTS; ++i) {
    float sum = 0.0f;
    const float *weight = parameters + $START + i;
    for (int32_t channel = 0; channel < $OUTPUTS; ++channel, weight += $INPUTS + 1) sum += gradient[channel] * *weight;
    output[i] = $VALUE;
  }
}
"""
_PARAMETER_GRADIENT = f"""
static void @NAME@(const float *state, const float *gradient, const float *input, float *output)
{{
  {_COPY}
  float *sum = output + $START;
  for (int32_t channel = 0; channel < $OUTPUTS; ++channel, sum += $INPUTS + 1) {{
    float error = gradient[channel];
    if (error == 0.0f) continue;
    for (int32_t i = 0; i < $INPUTS; ++i) sum[i] += error * input[i];
    sum[$INPUTS] += error;
  }}
}}
"""
_MOMENTUM = f"""
static void @NAME@(const float *state, const float *gradient, const float *control, float *output)
{{
  float share = control[$SHARE], momentum = control[$MOMENTUM];
  if (share == 0.0f) {{
    {_COPY}
    return;
  }}
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = momentum * state[i] + share * gradient[i];
}}
"""
_DESCENT = f"""
static void @NAME@(const float *state, const float *velocity, const float *control, float *output)
{{
  float rate = control[$RATE];
  if (control[$SHARE] == 0.0f) {{
    {_COPY}
    return;
  }}
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = state[i] - rate * velocity[i];
}}
"""
_RELEASED = f"""
static void @NAME@(const float *state, const float *control, float *output)
{{
  if (control[$SHARE] == 0.0f) {{
    {_COPY}
    return;
  }}
  for (int32_t i = 0; i < $ELEMENTS; ++i) output[i] = 0.0f;
}}
"""
_CHECKSUM = """
static void @NAME@(const float *parameters, const float *control, float *output)
{
  float sum = 0.0f;
  if (control[$SHARE] != 0.0f) {
    sum = parameters[0];
    for (int32_t i = 1; i < $COUNT; ++i) sum += parameters[i];
  }
  output[0] = sum;
}
"""
_PLACES = {place.name: int(place) for place in Control}


def _place_numbers(template: str) -> dict[str, int]:
    return {name: number for name, number in _PLACES.items() if f"${name}" in template}


def _carried(layer: Layer, _program: Program) -> str:
    has_initial = len(layer.operands) > 2
    return fill(
        _CARRIED,
        PARAMETER=", const float *initial" if has_initial else "",
        INITIAL="initial[i]" if has_initial else "0.0f",
        ELEMENTS=layer.result.elements,
        **_place_numbers(_CARRIED),
    )


def _layer(layer: Layer, program: Program) -> str:
    kind: Any = layer.kind
    value = "sum"
    if kind.highest is not None:
        highest = "0x1.fffffep127f" if kind.highest == float("inf") else real(kind.highest)
        value = f"{limit(program)}(sum, 0.0f, {highest})"
    return fill(_LAYER, START=kind.start, OUTPUTS=kind.outputs, INPUTS=layer.operands[0].shape[-1], VALUE=value)


def _probabilities(layer: Layer, program: Program) -> str:
    return fill(_PROBABILITIES, CLASSES=layer.result.shape[-1], EXP=exponential(program))


def _true_class(layer: Layer, program: Program) -> str:
    text = fill(_TRUE_CLASS, CLASSES=layer.operands[0].shape[-1], **_place_numbers(_TRUE_CLASS))
    return program.function("true_class", text)


def _cross_entropy(layer: Layer, program: Program) -> str:
    functions = {"TRUE_CLASS": _true_class(layer, program), "LOG": logarithm(program)}
    return fill(_CROSS_ENTROPY, SMALLEST=real(SMALLEST_PROBABILITY), **functions)


def _output_gradient(layer: Layer, program: Program) -> str:
    return fill(
        _OUTPUT_GRADIENT,
        TRUE_CLASS=_true_class(layer, program),
        CLASSES=layer.result.shape[-1],
        WEIGHT=int(Control.WEIGHT),
    )


def _hidden_gradient(layer: Layer, _program: Program) -> str:
    kind: Any = layer.kind
    value = "sum"
    if kind.highest is not None:
        below = "" if kind.highest == float("inf") else f" && input[i] < {real(kind.highest)}"
        value = f"input[i] > 0.0f{below} ? sum : 0.0f"
    inputs, outputs = layer.result.shape[-1], layer.operands[0].shape[-1]
    return fill(_HIDDEN_GRADIENT, START=kind.start, OUTPUTS=outputs, INPUTS=inputs, VALUE=value)


def _parameter_gradient(layer: Layer, _program: Program) -> str:
    kind: Any = layer.kind
    _, gradient, row = layer.operands
    return fill(
        _PARAMETER_GRADIENT,
        START=kind.start,
        OUTPUTS=gradient.shape[-1],
        INPUTS=row.shape[-1],
        ELEMENTS=layer.result.elements,
    )


def _checksum(layer: Layer, _program: Program) -> str:
    return fill(_CHECKSUM, COUNT=layer.operands[0].elements, **_place_numbers(_CHECKSUM))


def _elementwise(template: str) -> Callable[[Layer, Program], str]:
    return lambda layer, _program: fill(template, ELEMENTS=layer.result.elements, **_place_numbers(template))


_TEXTS: Mapping[type, Callable[[Layer, Program], str]] = {
    Carried: _carried,
    TrainableLayer: _layer,
    Probabilities: _probabilities,
    CrossEntropy: _cross_entropy,
    OutputGradient: _output_gradient,
    HiddenGradient: _hidden_gradient,
    ParameterGradient: _parameter_gradient,
    Momentum: _elementwise(_MOMENTUM),
    Descent: _elementwise(_DESCENT),
    Released: _elementwise(_RELEASED),
    Checksum: _checksum,
}
# The operand that is state and is written over.
_STATE: Mapping[type, int] = {Carried: 1, ParameterGradient: 0, Momentum: 0, Descent: 0, Released: 0}


@dataclass(frozen=True, slots=True)
class TrainingStep(Portable):
    """One function for each operation."""

    name: str = "training, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every operation of a training step."""
        return isinstance(layer.kind, TRAINING)

    def replaces(self, layer: Layer) -> int | None:
        """State is written where it lies."""
        return _STATE.get(type(layer.kind))

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """One call with all operands."""
        function = program.function("training", _TEXTS[type(layer.kind)](layer, program))
        operands = ", ".join(f"(const void *){place}" for place in places.operands)
        return f"{function}({operands}, (void *){places.result});"


KERNELS: tuple[Kernel, ...] = (TrainingStep(),)
