"""What can go wrong between the server and a device."""

from lwm2m_ml.bus import NotOwner
from lwm2m_ml.errors import ConflictError, Lwm2mMlError, NotFoundError
from lwm2m_ml.lwm2m.response_codes import ResponseCode


class UnknownDevice(NotFoundError):
    """No device is registered under this endpoint name."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"No device {endpoint!r} is registered", hint="`lwm2m-ml devices list` shows those that are")
        self.endpoint = endpoint


class UnreadableRecord(Lwm2mMlError):
    """What the store has of a device is not what this server wrote."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"The stored registration of {endpoint!r} cannot be read", hint="The device may register anew")


class OperationError(Lwm2mMlError):
    """An operation on a device did not succeed."""

    def __init__(self, message: str, *, endpoint: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.endpoint = endpoint


class DeviceError(OperationError):
    """The device answered an operation with an error code; `code` is its number on the wire."""

    def __init__(self, endpoint: str, operation: str, code: int, diagnostic: str = "") -> None:
        reason = f" ({diagnostic})" if diagnostic else ""
        super().__init__(f"{endpoint} answered {operation} with {describe(code)}{reason}", endpoint=endpoint)
        self.code = code
        self.diagnostic = diagnostic


class DeviceTimeout(OperationError):
    """The device did not answer; whether it acted on the request is unknown."""


class DeviceUnreachable(DeviceTimeout):
    """The network says that nobody is at the device's address, or the device reset the exchange."""


class DeviceElsewhere(DeviceUnreachable, NotOwner):
    """Another node acts for the device, or none does until it is heard again: nothing is sent to it from here."""


class RequestInterrupted(DeviceTimeout):
    """The device registered anew or left while the request was under way: it lost the request, or answered nobody."""


class DeviceBusy(OperationError, ConflictError):
    """Too many operations already wait for the device."""


class UnusableAnswer(OperationError):
    """The device answered with something that is not what the specification lets it answer."""


def describe(code: int) -> str:
    """A response code as people write it: `4.04 not found`."""
    try:
        known = ResponseCode(code)
    except ValueError:
        return f"{code >> 5}.{code & 0x1F:02d}"
    return f"{known.dotted} {known.name.replace('_', ' ').lower()}"
