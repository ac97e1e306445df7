"""What is wrong with a message that claims to be protected."""

from lwm2m_ml.coap.errors import CoapError, NetworkError
from lwm2m_ml.errors import InvalidInputError


class UnusableCredential(InvalidInputError, CoapError):
    """A credential that no context can be derived from."""


class ProtectionInvalid(InvalidInputError, CoapError):
    """The message was not protected with the keys of this context, or was changed on the way."""


class UnreadableProtection(ProtectionInvalid):
    """The OSCORE option, or what was inside the ciphertext, is not in the form that RFC 8613 asks for."""


class ProtectionRefused(NetworkError):
    """The peer answered a protected request with an unprotected error: it does not know our context."""


class NumbersUsedUp(NetworkError):
    """The context has protected as many messages as it may (RFC 8613 §7.2.1)."""
