"""How a module is packed for a device: the encodings it can unpack, against which image, within which window."""

from dataclasses import dataclass

from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.service.profiles import MlRuntime

SMALLEST_WINDOW_BYTES = 256
"""What a device that unpacks something, but does not say how much it can remember, is thought to remember."""

LARGEST_HEAD_BYTES = 4096
"""RAM that a device is thought to have for what comes before the payload."""


def head_buffer_bytes(runtime: MlRuntime) -> int:
    """Return how much of a package a device can hold before its payload begins: no more than a quarter of its RAM."""
    return min(LARGEST_HEAD_BYTES, runtime.working_memory_total // 4)


@dataclass(frozen=True, slots=True)
class Packing:
    """What decides how a package looks; devices with the same share one. The smallest of `encodings` is sent.

    `base_digest` is the SHA-256 of the image that the device runs, empty when there is none to make a delta against.
    `head_bytes` of RAM hold what comes before the payload: they decide whether there is a block table.
    """

    encodings: tuple[PayloadEncoding, ...] = (PayloadEncoding.NONE,)
    window_bytes: int = SMALLEST_WINDOW_BYTES
    base_digest: bytes = b""
    head_bytes: int = 0

    @classmethod
    def of(cls, runtime: MlRuntime, running: bytes = b"") -> "Packing":
        """Read off a runtime what it can unpack; `running` is the digest of the image that it runs, if any."""
        known = set(PayloadEncoding)
        encodings = tuple(PayloadEncoding(one) for one in sorted(set(runtime.encodings) & known))
        base = running if PayloadEncoding.DELTA in encodings and any(running) else b""
        return cls(
            encodings or (PayloadEncoding.NONE,),
            runtime.decoder_window or SMALLEST_WINDOW_BYTES,
            base,
            head_buffer_bytes(runtime),
        )
