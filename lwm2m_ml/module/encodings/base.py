"""What encoders give and decoders can do."""

from dataclasses import dataclass, field
from typing import Protocol

from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.manifest import PayloadForm
from lwm2m_ml.module.results import ModuleResult

PIECE_BYTES = 64
"""Compressed bytes are unpacked so few at a time that what comes out stays small, whatever they say."""


@dataclass(frozen=True, slots=True)
class EncodedPayload:
    """A payload, and how it is packed."""

    form: PayloadForm
    data: bytes = field(repr=False)


class PayloadDecoder(Protocol):
    """Unpacks a payload while it arrives."""

    def feed(self, data: bytes) -> bytes:
        """Return what `data` completes of the image; raises ModuleRejected."""
        ...

    def finish(self) -> bytes:
        """Return the rest of the image; raises ModuleRejected when the payload is not complete."""
        ...


def decoding_failed(why: str) -> ModuleRejected:
    """Return the error for a payload that cannot be unpacked."""
    return ModuleRejected(ModuleResult.DECODING_FAILED, why)


class OutputLimit:
    """Counts what a decoder gives out, and stops it at the size that the manifest signs."""

    def __init__(self, image_size: int) -> None:
        self._left = image_size

    def passed(self, data: bytes) -> bytes:
        """Return `data`; raises ModuleRejected when it is too much."""
        self._left -= len(data)
        if self._left < 0:
            raise decoding_failed("The payload unpacks to more bytes than the manifest says")
        return data
