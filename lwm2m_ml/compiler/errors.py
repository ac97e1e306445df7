"""Why a model cannot be compiled: one class per reason."""

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError


class UnreadableModel(InvalidInputError):
    """The bytes are not a model, or a damaged one."""


class UnsupportedOperator(InvalidInputError):
    """The model uses an operator, or a form of one, that the compiler does not know."""

    def __init__(self, operator: str, place: str, *, why: str = "it is not known", hint: str = "") -> None:
        super().__init__(f"Operator {operator} at {place} cannot be compiled: {why}", hint=hint)
        self.operator = operator
        self.place = place


class WrongShape(InvalidInputError):
    """Shapes inside the model, or of the data given with it, do not fit together."""


class ModelTooLarge(InvalidInputError):
    """The model is beyond what any microcontroller could hold."""


class CyclicModel(InvalidInputError):
    """An operator depends on its own result."""


class MissingQuantization(InvalidInputError):
    """A model says to be quantised, but a tensor lacks scale or zero point."""


class CalibrationError(InvalidInputError):
    """The calibration data cannot be used for the model."""


class UnreadableSamples(InvalidInputError):
    """A file with inputs does not hold what the model takes."""


class UnreadableModule(InvalidInputError):
    """What was saved as a module is damaged or incomplete."""


class InvalidGraph(Lwm2mMlError):
    """The compiler's own representation broke one of its rules: a defect of a pass or front end."""

    def __init__(self, rule: str, *, after: str) -> None:
        super().__init__(f"The graph is not valid after {after}: {rule}", hint="This is a defect: please report it")


class ArenaDoesNotFit(InvalidInputError):
    """A module needs more RAM than its target has, or in other pieces."""


class UnsupportedTarget(Lwm2mMlError):
    """No backend can generate code for this target."""


class ProofFailed(Lwm2mMlError):
    """The module, run on the emulated MCU, did not answer as the integer reference does."""


class Unproved(Lwm2mMlError):
    """Nothing here can execute the module, so nobody knows whether its answers are right."""


class NotTrainable(InvalidInputError):
    """The last layers of a model are not of a kind that can be trained on a device."""


class TrainingFailed(Lwm2mMlError):
    """A smaller model could not be trained."""
