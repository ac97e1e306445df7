"""What can go wrong between C source and machine code."""

from lwm2m_ml.errors import Lwm2mMlError


class ToolchainError(Lwm2mMlError):
    """The compiler or the linker refused; `message` carries its first lines."""


class NotPositionIndependent(ToolchainError):
    """The linked code would only run at one address, or needs memory that a module does not have."""
