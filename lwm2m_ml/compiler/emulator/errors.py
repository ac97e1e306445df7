"""What can go wrong while emulated code runs."""

from lwm2m_ml.errors import Lwm2mMlError


class EmulationFault(Lwm2mMlError):
    """The emulated core stopped: bad access, illegal instruction, limit passed, broken calling convention."""

    def __init__(self, message: str, *, address: int | None = None) -> None:
        super().__init__(message)
        self.address = address


class InstructionLimitPassed(EmulationFault):
    """The code ran longer than it was allowed to."""


class StackOverflow(EmulationFault):
    """The code used more stack than it was given."""
