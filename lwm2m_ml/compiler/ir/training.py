"""What a training step computes beside inference: the last layers of a model with parameters that change.

All trainable layers together have one vector of parameters. A layer of n inputs and m outputs owns m rows of n + 1
numbers in it from `start` on: the weights of an output, then its bias. `Control` says what a call is to do.

The gradient is that of the cross entropy of a softmax. The step is stochastic gradient descent with momentum
(I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013, equation 1 and 2
without Nesterov's part): v ← μ v + g, w ← w − ε v.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lwm2m_ml.compiler.errors import WrongShape

Shape = tuple[int, ...]


class Control(IntEnum):
    """The numbers of the tensor that says what a call does, all float32. All zero is inference and nothing else.

    KEEP: 0 begins with the parameters of the module, without momentum and gradient; else those in the arena are kept.
    WEIGHT: of the example; with 0 nothing is learnt from it. CLASS: its true class.
    SHARE: 0 adds to the gradient; else a step is made with so much of it (one by the size of the batch).
    RATE and MOMENTUM: those of the step.
    """

    KEEP = 0
    WEIGHT = 1
    CLASS = 2
    SHARE = 3
    RATE = 4
    MOMENTUM = 5


CONTROL_LENGTH = len(Control)


@dataclass(frozen=True, slots=True)
class Carried:
    """State as the last call left it, or as it begins: (control, state[, initial values]); without those at zero."""


@dataclass(frozen=True, slots=True)
class TrainableLayer:
    """A fully connected layer of (row, parameters); `highest` limits a rectifier's result, None has no rectifier."""

    start: int
    outputs: int
    highest: float | None = None


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The softmax of a row, computed the same way on every core and in numpy, bit for bit."""


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Minus the logarithm of the true class's probability, of (probabilities, control); 0 without an example."""


@dataclass(frozen=True, slots=True)
class OutputGradient:
    """The gradient of the cross entropy by the logits, of (probabilities, control); 0 without an example."""


@dataclass(frozen=True, slots=True)
class HiddenGradient:
    """The gradient by a trainable layer's operand: (gradient by its result, parameters, operand).

    `highest` is that of the layer whose result the operand is.
    """

    start: int
    highest: float | None = None


@dataclass(frozen=True, slots=True)
class ParameterGradient:
    """The sum of gradients with one more added: (sum, gradient by a layer's result, its operand)."""

    start: int


@dataclass(frozen=True, slots=True)
class Momentum:
    """The velocity after a step: (velocity, sum of gradients, control)."""


@dataclass(frozen=True, slots=True)
class Descent:
    """The parameters after a step: (parameters, velocity, control)."""


@dataclass(frozen=True, slots=True)
class Released:
    """The sum of gradients after a call: (sum, control); a step has used it up."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The sum of all parameters after a step, of (parameters, control); 0 without one."""


TRAINING = (
    Carried,
    TrainableLayer,
    Probabilities,
    CrossEntropy,
    OutputGradient,
    HiddenGradient,
    ParameterGradient,
    Momentum,
    Descent,
    Released,
    Checksum,
)
TRAINING_OPERANDS: dict[type, range] = {
    Carried: range(2, 4),
    TrainableLayer: range(2, 3),
    Probabilities: range(1, 2),
    CrossEntropy: range(2, 3),
    OutputGradient: range(2, 3),
    HiddenGradient: range(3, 4),
    ParameterGradient: range(3, 4),
    Momentum: range(3, 4),
    Descent: range(3, 4),
    Released: range(2, 3),
    Checksum: range(2, 3),
}


def _require(condition: bool, kind: object, shapes: Sequence[Shape]) -> None:
    if not condition:
        raise WrongShape(f"{type(kind).__name__} of {' and '.join(map(str, shapes))}: the lengths do not match")


def _carried(kind: Carried, shapes: Sequence[Shape]) -> Shape:
    _require(shapes[0] == (CONTROL_LENGTH,) and all(shape == shapes[1] for shape in shapes[2:]), kind, shapes)
    return shapes[1]


def _layer(kind: TrainableLayer, shapes: Sequence[Shape]) -> Shape:
    row, parameters = shapes
    fits = len(row) == 2 and row[0] == 1 and kind.start + kind.outputs * (row[1] + 1) <= parameters[0]
    _require(fits, kind, shapes)
    return (1, kind.outputs)


def _row(kind: Probabilities, shapes: Sequence[Shape]) -> Shape:
    _require(len(shapes[0]) == 2 and shapes[0][0] == 1, kind, shapes)
    return shapes[0]


def _of_example(kind: CrossEntropy | OutputGradient, shapes: Sequence[Shape]) -> Shape:
    _require(len(shapes[0]) == 2 and shapes[0][0] == 1 and shapes[1] == (CONTROL_LENGTH,), kind, shapes)
    return (1,) if isinstance(kind, CrossEntropy) else shapes[0]


def _hidden(kind: HiddenGradient, shapes: Sequence[Shape]) -> Shape:
    gradient, parameters, operand = shapes
    _require(kind.start + gradient[1] * (operand[1] + 1) <= parameters[0], kind, shapes)
    return operand


def _parameter_gradient(kind: ParameterGradient, shapes: Sequence[Shape]) -> Shape:
    total, gradient, operand = shapes
    _require(kind.start + gradient[1] * (operand[1] + 1) <= total[0], kind, shapes)
    return total


def _step(kind: Momentum | Descent, shapes: Sequence[Shape]) -> Shape:
    _require(shapes[0] == shapes[1] and shapes[2] == (CONTROL_LENGTH,), kind, shapes)
    return shapes[0]


def _whole(kind: Released | Checksum, shapes: Sequence[Shape]) -> Shape:
    _require(shapes[1] == (CONTROL_LENGTH,), kind, shapes)
    return (1,) if isinstance(kind, Checksum) else shapes[0]


TRAINING_RULES: dict[type, Callable[[Any, Sequence[Shape]], Shape]] = {
    Carried: _carried,
    TrainableLayer: _layer,
    Probabilities: _row,
    CrossEntropy: _of_example,
    OutputGradient: _of_example,
    HiddenGradient: _hidden,
    ParameterGradient: _parameter_gradient,
    Momentum: _step,
    Descent: _step,
    Released: _whole,
    Checksum: _whole,
}
