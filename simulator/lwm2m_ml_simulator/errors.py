"""What can go wrong in a simulated device, apart from what it was told to suffer."""

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError, UsageError


class SimulatorError(Lwm2mMlError):
    """Root of the simulator's errors."""


class FlashMisuse(SimulatorError):
    """The firmware did to the flash what flash cannot do: unaligned, out of range, or a bit from 0 to 1."""


class StorageFull(SimulatorError):
    """Something does not fit into the part of the flash that is meant for it."""


class IllegalTransition(SimulatorError):
    """A slot was asked for something that its state does not allow."""


class MachineFailure(SimulatorError):
    """The module could not be run, or reported that it failed."""


class InvalidFleet(UsageError):
    """A fleet file says something that the simulator does not understand."""


class NoServer(UsageError):
    """There is no server by this name that could run in this process."""


class InvalidTrace(UsageError):
    """A file is no trace of a device, or none that can be replayed."""


class InvalidInputs(UsageError):
    """A file of inputs is not what it should be."""


class InvalidUri(InvalidInputError):
    """A package URI that this device cannot fetch from."""


class InvalidAccount(UsageError):
    """The account of a server cannot be used as it is."""
