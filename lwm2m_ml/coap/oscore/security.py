"""Keys of a context, and one message sealed or opened with them; no state, no network (RFC 8613 §3, §5, §8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import encode_tail, parse_options
from lwm2m_ml.coap.errors import MalformedMessage
from lwm2m_ml.coap.options import Option, Options, encode_uint, first
from lwm2m_ml.coap.oscore.algorithms import AEAD_ALGORITHMS, HKDF_HASHES, PARTIAL_IV_BYTES
from lwm2m_ml.coap.oscore.credentials import OscoreCredential
from lwm2m_ml.coap.oscore.errors import NumbersUsedUp, ProtectionInvalid, UnreadableProtection
from lwm2m_ml.coap.oscore.option import OscoreOption, decode_option

OSCORE_VERSION = 1
LAST_NUMBER = (1 << 40) - 1
VISIBLE = frozenset(
    {numbers.URI_HOST, numbers.URI_PORT, numbers.PROXY_URI, numbers.PROXY_SCHEME, numbers.HOP_LIMIT, numbers.OSCORE}
)
"""Options that proxies need, class U; Observe is inside and outside, all others only inside (RFC 8613 §4.1)."""
REQUESTS = range(1, 32)
SEQUENCE_BITS = 0xFFFFFF


class BareMessage(NamedTuple):
    """What of a message is protected, or how it looks then."""

    code: int
    options: Options
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """What ties responses to their request (RFC 8613 §5.4)."""

    kid: bytes
    partial_iv: bytes
    observed: bool

    @property
    def number(self) -> int:
        """The sequence number of the request."""
        return int.from_bytes(self.partial_iv)


class SecurityContext:
    """The derived keys of a credential; both roles, both directions."""

    __slots__ = ("_algorithm", "_common_iv", "_opening", "_sealing", "credential")

    def __init__(self, credential: OscoreCredential) -> None:
        self.credential = credential
        self._algorithm = AEAD_ALGORITHMS[credential.algorithm]
        self._sealing = self._algorithm.cipher(self._derive(credential.sender_id, "Key", self._algorithm.key_bytes))
        self._opening = self._algorithm.cipher(self._derive(credential.recipient_id, "Key", self._algorithm.key_bytes))
        self._common_iv = int.from_bytes(self._derive(b"", "IV", self._algorithm.nonce_bytes))

    def _derive(self, owner: bytes, kind: str, length: int) -> bytes:
        """RFC 8613 §3.2.1."""
        credential = self.credential
        info = cbor2.dumps([owner, credential.id_context, credential.algorithm, kind, length])
        hash_ = HKDF_HASHES[credential.hkdf]()
        return HKDF(hash_, length, credential.master_salt or None, info).derive(credential.master_secret)

    # Requests

    def seal_request(self, message: BareMessage, number: int) -> tuple[BareMessage, RequestBinding]:
        """Protect a request of ours with a sequence number that was never used before."""
        credential = self.credential
        observed = first(message.options, numbers.OBSERVE) is not None
        binding = RequestBinding(credential.sender_id, encode_number(number), observed)
        option = OscoreOption(binding.partial_iv, credential.sender_id, credential.id_context)
        nonce = self._nonce(credential.sender_id, binding.partial_iv)
        code = numbers.FETCH if observed else numbers.POST
        visible = [*_visible(message.options), *_observe(message.options)]
        return self._seal(message, code, visible, option=option, nonce=nonce, binding=binding), binding

    def open_request(self, message: BareMessage) -> tuple[BareMessage, RequestBinding]:
        """The request inside a protected one; whether it is new is for the replay window to tell."""
        option = option_of(message)
        if option.kid != self.credential.recipient_id or not option.partial_iv:
            raise UnreadableProtection("A protected request needs the kid of the context and a partial IV")
        observed = first(message.options, numbers.OBSERVE) is not None
        binding = RequestBinding(option.kid, option.partial_iv, observed)
        inner = self._open(message, self._nonce(option.kid, option.partial_iv), binding)
        if inner.code not in REQUESTS:
            raise UnreadableProtection("What was protected is no request")
        # A proxy that does not know Observe has taken it off the outside: then nobody carries notifications.
        hidden = inner.options if observed else [o for o in inner.options if o[0] != numbers.OBSERVE]
        options = sorted([*_visible(message.options), *hidden], key=_number)
        return BareMessage(inner.code, options, inner.payload), binding

    # Responses

    def seal_response(self, message: BareMessage, binding: RequestBinding, number: int | None) -> BareMessage:
        """Protect a response; without a sequence number, with the nonce of the request, which may happen once."""
        notifies = first(message.options, numbers.OBSERVE) is not None
        code = numbers.CONTENT if binding.observed else numbers.CHANGED
        visible: Options = []
        if notifies and number is not None:
            hidden = [option for option in message.options if option[0] != numbers.OBSERVE]
            message = BareMessage(message.code, [(numbers.OBSERVE, b""), *hidden], message.payload)
            visible = [(numbers.OBSERVE, encode_uint(number & SEQUENCE_BITS))]
        if number is None:
            nonce = self._nonce_of(binding)
            return self._seal(message, code, visible, option=OscoreOption(), nonce=nonce, binding=binding)
        partial_iv = encode_number(number)
        nonce = self._nonce(self.credential.sender_id, partial_iv)
        return self._seal(message, code, visible, option=OscoreOption(partial_iv), nonce=nonce, binding=binding)

    def open_response(self, message: BareMessage, binding: RequestBinding) -> tuple[BareMessage, int | None]:
        """The response inside, and its own sequence number when it has one."""
        partial_iv = option_of(message).partial_iv
        nonce = self._nonce(self.credential.recipient_id, partial_iv) if partial_iv else self._nonce_of(binding)
        inner = self._open(message, nonce, binding)
        if inner.code in REQUESTS or inner.code == numbers.EMPTY:
            raise UnreadableProtection("What was protected is no response")
        return inner, int.from_bytes(partial_iv) if partial_iv else None

    # Both

    def _seal(
        self,
        message: BareMessage,
        code: int,
        visible: Options,
        *,
        option: OscoreOption,
        nonce: bytes,
        binding: RequestBinding,
    ) -> BareMessage:
        hidden = [o for o in message.options if o[0] not in VISIBLE]
        plaintext = bytes((message.code,)) + encode_tail(hidden, message.payload)
        ciphertext = self._sealing.encrypt(nonce, plaintext, self._associated(binding))
        return BareMessage(code, [*visible, (numbers.OSCORE, option.encode())], ciphertext)

    def _open(self, message: BareMessage, nonce: bytes, binding: RequestBinding) -> BareMessage:
        if len(message.payload) <= self._algorithm.tag_bytes:
            raise UnreadableProtection("The ciphertext is shorter than its tag and a code")
        try:
            plaintext = self._opening.decrypt(nonce, message.payload, self._associated(binding))
            options, payload = parse_options(plaintext, 1)
        except InvalidTag:
            raise ProtectionInvalid("The message was not protected with the keys of this context") from None
        except MalformedMessage as error:
            raise UnreadableProtection(error.message) from error
        return BareMessage(plaintext[0], [o for o in options if o[0] not in VISIBLE], payload)

    def _associated(self, binding: RequestBinding) -> bytes:
        """RFC 8613 §5.4: no option is of class I yet, so none is in here."""
        algorithms = [self.credential.algorithm]
        external = cbor2.dumps([OSCORE_VERSION, algorithms, binding.kid, binding.partial_iv, b""])
        return bytes(cbor2.dumps(["Encrypt0", b"", external]))

    def _nonce_of(self, binding: RequestBinding) -> bytes:
        return self._nonce(binding.kid, binding.partial_iv)

    def _nonce(self, owner: bytes, partial_iv: bytes) -> bytes:
        """RFC 8613 §5.2: length and id of whose number it is, and the number, mixed with the common IV."""
        size = self._algorithm.nonce_bytes
        id_part = owner.rjust(size - PARTIAL_IV_BYTES - 1, b"\x00")
        value = bytes((len(owner),)) + id_part + partial_iv.rjust(PARTIAL_IV_BYTES, b"\x00")
        return (int.from_bytes(value) ^ self._common_iv).to_bytes(size)


def encode_number(number: int) -> bytes:
    """A partial IV: as few bytes as possible, but one; raises NumbersUsedUp."""
    if number > LAST_NUMBER:
        raise NumbersUsedUp("The OSCORE context has no sequence numbers left", hint="Give the device new keys")
    return number.to_bytes(max((number.bit_length() + 7) >> 3, 1))


def option_of(message: BareMessage) -> OscoreOption:
    """The OSCORE option of a message; raises UnreadableProtection."""
    value = first(message.options, numbers.OSCORE)
    if value is None:
        raise UnreadableProtection("The message is not protected")
    return decode_option(value)


def _number(option: Option) -> int:
    return option[0]


def _visible(options: Options) -> Options:
    return [option for option in options if option[0] in VISIBLE and option[0] != numbers.OSCORE]


def _observe(options: Options) -> Options:
    return [option for option in options if option[0] == numbers.OBSERVE]
