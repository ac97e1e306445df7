"""Errors on their way from node to node: their kind, sentence and hint, and what else a kind has."""

from collections.abc import Mapping
from typing import Any

from lwm2m_ml import errors
from lwm2m_ml.bus import NotOwner
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.server import errors as device_errors
from lwm2m_ml.server.errors import DeviceError, OperationError, UnknownDevice

KINDS: Mapping[str, type[Lwm2mMlError]] = {
    kind.__name__: kind
    for module in (errors, device_errors)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Lwm2mMlError)
} | {NotOwner.__name__: NotOwner}


def to_failure(error: Lwm2mMlError) -> dict[str, Any]:
    """An error as JSON, of the nearest kind that every node knows."""
    kind = next(each.__name__ for each in type(error).__mro__ if each.__name__ in KINDS)
    failure: dict[str, Any] = {"kind": kind, "message": error.message, "hint": error.hint}
    if isinstance(error, OperationError | UnknownDevice):
        failure["endpoint"] = error.endpoint
    if isinstance(error, DeviceError):
        failure |= {"code": error.code, "diagnostic": error.diagnostic}
    return failure


def from_failure(failure: Mapping[str, Any]) -> Lwm2mMlError:
    """The error that `to_failure` wrote."""
    kind = KINDS.get(failure["kind"], Lwm2mMlError)
    if issubclass(kind, UnknownDevice):
        return kind(failure["endpoint"])
    if issubclass(kind, DeviceError):
        error = kind(failure["endpoint"], "", failure["code"], failure["diagnostic"])
        error.message = failure["message"]
        return error
    if issubclass(kind, OperationError):
        return kind(failure["message"], endpoint=failure["endpoint"], hint=failure["hint"])
    if issubclass(kind, errors.MissingExtraError):
        kind = Lwm2mMlError
    return kind(failure["message"], hint=failure["hint"])
