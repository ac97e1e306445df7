"""Object 42772, ML Learning: parameters down, updates up, while the examples stay (docs/federated.md)."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from aiocoap import Code

from lwm2m_ml.learning.terms import LearningResult, LearningState, Method, VectorEncoding
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml_simulator.device.object_ids import ML_LEARNING, ML_MODEL
from lwm2m_ml_simulator.learning.learner import Learner
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)

_LONGEST_TOKEN = 32
_LARGEST_COUNT = 65_535


class MlLearning(ObjectInstance):
    """The learner of the slot with the same number."""

    object_id = ML_LEARNING

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner.slot)
        self._learner = learner

    @readable(0)
    def model(self) -> ObjectLink:
        """Model."""
        return ObjectLink(ML_MODEL, self.instance_id)

    @readable(1)
    def state(self) -> int:
        """State."""
        return int(self._learner.state)

    @readable(2)
    def result(self) -> int:
        """Result."""
        return int(self._learner.result)

    @readable(3)
    def parameters(self) -> int:
        """Parameters."""
        return self._learner.parameters

    @readable(4)
    def examples(self) -> int:
        """Examples."""
        return len(self._learner.examples)

    @readable(5)
    def token(self) -> bytes:
        """Token."""
        return self._learner.terms.token

    @writable(5)
    def write_token(self, value: ResourceValue) -> None:
        """Set the token of the next session."""
        if not isinstance(value, bytes) or len(value) > _LONGEST_TOKEN:
            raise OperationRefused(Code.BAD_REQUEST, f"a token has at most {_LONGEST_TOKEN} bytes")
        self._learner.terms.token = value

    @readable(6)
    def method(self) -> int:
        """Method."""
        return int(self._learner.terms.recipe.method)

    @writable(6)
    def write_method(self, value: ResourceValue) -> None:
        """Choose averaging or one gradient."""
        self._change(method=_member(Method, value))

    @readable(7)
    def epochs(self) -> int:
        """Epochs."""
        return self._learner.terms.recipe.epochs

    @writable(7)
    def write_epochs(self, value: ResourceValue) -> None:
        """Set how often each example is used."""
        self._change(epochs=_count(value, 1000))

    @readable(8)
    def batch_size(self) -> int:
        """Batch Size."""
        return self._learner.terms.recipe.batch

    @writable(8)
    def write_batch_size(self, value: ResourceValue) -> None:
        """Set how many examples a step has."""
        self._change(batch=_count(value, _LARGEST_COUNT))

    @readable(9)
    def learning_rate(self) -> float:
        """Learning Rate."""
        return self._learner.terms.recipe.rate

    @writable(9)
    def write_learning_rate(self, value: ResourceValue) -> None:
        """Set the length of steps."""
        self._change(rate=_positive(value))

    @readable(10)
    def momentum(self) -> float:
        """Momentum."""
        return self._learner.terms.recipe.momentum

    @writable(10)
    def write_momentum(self, value: ResourceValue) -> None:
        """Set the momentum."""
        number = _number(value)
        if not 0 <= number < 1:
            raise OperationRefused(Code.BAD_REQUEST, "momentum is from 0 to below 1")
        self._change(momentum=number)

    @readable(11)
    def clipping_norm(self) -> float:
        """Clipping Norm."""
        return self._learner.terms.clip

    @writable(11)
    def write_clipping_norm(self, value: ResourceValue) -> None:
        """Set the length of the longest update."""
        self._learner.terms.clip = _positive(value)

    @readable(12)
    def update_encoding(self) -> int:
        """Update Encoding."""
        return int(self._learner.terms.encoding)

    @writable(12)
    def write_update_encoding(self, value: ResourceValue) -> None:
        """Choose how numbers are written."""
        self._learner.terms.encoding = _member(VectorEncoding, value)

    @readable(13)
    def tell_statistics(self) -> bool:
        """Tell Statistics."""
        return self._learner.terms.tells

    @writable(13)
    def write_tell_statistics(self, value: ResourceValue) -> None:
        """Choose whether updates tell examples and loss."""
        self._learner.terms.tells = bool(value)

    @readable(14)
    def weights(self) -> bytes:
        """Weights, as they were written."""
        return self._learner.terms.weights

    @writable(14)
    def write_weights(self, value: ResourceValue) -> None:
        """Take the parameters to learn from."""
        if not isinstance(value, bytes) or len(value) != 4 * self._learner.parameters:
            wanted = 4 * self._learner.parameters
            raise OperationRefused(Code.BAD_REQUEST, f"weights of this module have {wanted} bytes")
        self._learner.terms.weights = value

    @executable(15)
    def learn(self, arguments: Arguments) -> None:
        """Learn."""
        self._learner.begin()

    @executable(16)
    def adopt(self, arguments: Arguments) -> None:
        """Adopt."""
        result = self._learner.adopt()
        if result is not LearningResult.SUCCESS:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, result.name.lower().replace("_", " "))

    @executable(17)
    def cancel(self, arguments: Arguments) -> None:
        """Cancel."""
        self._learner.cancel()

    @readable(18)
    def update(self) -> bytes | None:
        """Update, while there is one."""
        return self._learner.update if self._learner.state is LearningState.READY else None

    @readable(19)
    def instructions(self) -> int:
        """Instructions."""
        return self._learner.instructions

    @readable(20)
    def energy(self) -> float:
        """Energy in joules."""
        return self._learner.joules

    @readable(21)
    def learning_time(self) -> float:
        """Learning Time in seconds."""
        return self._learner.seconds

    def _change(self, **changes: Any) -> None:
        terms = self._learner.terms
        terms.recipe = dataclasses.replace(terms.recipe, **changes)


def _number(value: ResourceValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise OperationRefused(Code.BAD_REQUEST, "a number is needed")
    return float(value)


def _positive(value: ResourceValue) -> float:
    number = _number(value)
    if not 0 < number < float("inf"):
        raise OperationRefused(Code.BAD_REQUEST, "a positive number is needed")
    return number


def _count(value: ResourceValue, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise OperationRefused(Code.BAD_REQUEST, f"a number from 1 to {most} is needed")
    return value


def _member(kind: Callable[[Any], Any], value: ResourceValue) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise OperationRefused(Code.BAD_REQUEST, str(error)) from None
