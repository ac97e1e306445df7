"""Why an update is not taken."""

from lwm2m_ml.errors import InvalidInputError


class InvalidVector(InvalidInputError):
    """Bytes that should hold parameters do not."""


class InvalidUpdate(InvalidInputError):
    """Bytes that should be an update are none."""


class UpdateRejected(InvalidInputError):
    """An update is well formed, but must not move the model."""
