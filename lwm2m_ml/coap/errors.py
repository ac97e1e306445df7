"""What can go wrong between this endpoint and a peer; each is also the aiocoap error its users expect."""

from aiocoap import error as aiocoap_error

from lwm2m_ml.errors import ConflictError, InvalidInputError, Lwm2mMlError


class CoapError(Lwm2mMlError):
    """Root of everything this room raises."""


class MalformedMessage(InvalidInputError, CoapError):
    """A datagram that RFC 7252 §3 calls a message format error."""


class UnusableOption(InvalidInputError, CoapError):
    """A critical option that is unknown, repeated, or has a value outside its format (RFC 7252 §5.4.1)."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"Option {number} is critical and {reason}")
        self.number = number


class NetworkError(CoapError, aiocoap_error.NetworkError):  # type: ignore[misc]
    """The exchange with the peer failed."""


class HandshakeFailed(NetworkError):
    """No security session with the peer could be made."""


class RequestTimeout(NetworkError, aiocoap_error.TimeoutError):  # type: ignore[misc]
    """The peer did not answer in time."""


class PeerReset(NetworkError, aiocoap_error.MessageError):  # type: ignore[misc]
    """The peer answered with a Reset: it does not know what to do with the message."""


class PeerBusy(NetworkError):
    """Too many requests already wait for this peer."""


class EndpointClosed(CoapError, aiocoap_error.LibraryShutdown):  # type: ignore[misc]
    """The endpoint was closed while the request was under way."""


class AddressError(CoapError, aiocoap_error.ResolutionError):  # type: ignore[misc]
    """A host name or address cannot be used by this endpoint."""

    def __str__(self) -> str:
        return Lwm2mMlError.__str__(self)


class PortInUse(ConflictError, CoapError):
    """Another socket already has the port."""


class BlockTransferError(CoapError, aiocoap_error.Error):  # type: ignore[misc]
    """A block-wise transfer cannot be completed (RFC 7959)."""


class NotObservable(CoapError, aiocoap_error.NotObservable):  # type: ignore[misc]
    """The peer answered the request but did not accept the observation."""
