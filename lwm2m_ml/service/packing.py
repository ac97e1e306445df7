"""How a module is packed for a device: the encodings it can unpack, against which image, within which window."""

from dataclasses import dataclass

from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.service.profiles import MlRuntime

SMALLEST_WINDOW_BYTES = 256
"""What a device that unpacks something, but does not say how much it can remember, is thought to remember."""


@dataclass(frozen=True, slots=True)
class Packing:
    """What decides how a package looks; devices with the same share one. The smallest of `encodings` is sent.

    `base_digest` is the SHA-256 of the image that the device runs, empty when there is none to make a delta against.
    """

    encodings: tuple[PayloadEncoding, ...] = (PayloadEncoding.NONE,)
    window_bytes: int = SMALLEST_WINDOW_BYTES
    base_digest: bytes = b""

    @classmethod
    def of(cls, runtime: MlRuntime, running: bytes = b"") -> "Packing":
        """Read off a runtime what it can unpack; `running` is the digest of the image that it runs, if any."""
        known = set(PayloadEncoding)
        encodings = tuple(PayloadEncoding(one) for one in sorted(set(runtime.encodings) & known))
        base = running if PayloadEncoding.DELTA in encodings and any(running) else b""
        return cls(encodings or (PayloadEncoding.NONE,), runtime.decoder_window or SMALLEST_WINDOW_BYTES, base)
