"""How a handshake fails: with the alert that the peer is told, and a sentence for the log."""

from lwm2m_ml.coap.dtls12.numbers import Alert
from lwm2m_ml.coap.errors import CoapError


class HandshakeError(CoapError):
    """The handshake cannot go on; `alert` is None when the peer need not be told, as it was the one to end it."""

    def __init__(self, alert: Alert | None, reason: str) -> None:
        super().__init__(reason)
        self.alert = alert


class MessageError(HandshakeError):
    """A message does not have the form that its specification gives it."""

    def __init__(self, reason: str, alert: Alert = Alert.DECODE_ERROR) -> None:
        super().__init__(alert, reason)


class UnusableSession(CoapError):
    """Bytes that shall be a session at rest are none, or of a later version."""
