"""What payload decoders cost a device in RAM, and so which encodings it can take (42769/x/21, 33 and 34)."""

from dataclasses import dataclass
from importlib.util import find_spec

from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.manifest import Manifest, PayloadEncoding, PayloadForm
from lwm2m_ml.module.results import ModuleResult

# Heatshrink keeps its window, an input buffer and its state; a zstd context has tables of this size, whatever the
# window, and an output buffer of a window and a block; detools' sequential decoder unpacks with a window of 256 B.
_HEATSHRINK_STATE = 64
_ZSTD_CONTEXT = 95_968
_DELTA_STATE = 1024
_SMALLEST_HEATSHRINK = PayloadForm(PayloadEncoding.HEATSHRINK, 1, window_bits=8)
_SMALLEST_ZSTD = PayloadForm(PayloadEncoding.ZSTD, 1, window_bits=10)
_DELTA = PayloadForm(PayloadEncoding.DELTA, 1)


def decoder_bytes(form: PayloadForm) -> int:
    """Return the RAM that unpacking a payload of this form takes."""
    window = 1 << form.window_bits
    match form.encoding:
        case PayloadEncoding.NONE:
            return 0
        case PayloadEncoding.HEATSHRINK:
            return window + _HEATSHRINK_STATE
        case PayloadEncoding.ZSTD:
            return _ZSTD_CONTEXT + 2 * window
        case PayloadEncoding.DELTA:
            return _DELTA_STATE


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """RAM for decoders, and the largest window among it, in bytes. `staging_bytes` of flash hold what is packed."""

    memory_bytes: int = 0
    staging_bytes: int = 0

    @property
    def window_bytes(self) -> int:
        """The largest window, a power of two, that every decoder here has room for; 0 where there is none."""
        if not self.takes(_SMALLEST_HEATSHRINK):
            return 0
        room = self.memory_bytes - _HEATSHRINK_STATE
        if self.takes(_SMALLEST_ZSTD):
            room = (self.memory_bytes - _ZSTD_CONTEXT) // 2
        return 1 << room.bit_length() - 1

    @property
    def encodings(self) -> tuple[PayloadEncoding, ...]:
        """The encodings that this device can unpack."""
        possible = [_SMALLEST_ZSTD, _SMALLEST_HEATSHRINK]
        if find_spec("detools") is not None:
            possible.append(_DELTA)
        return (PayloadEncoding.NONE, *(form.encoding for form in possible if self.takes(form)))

    def takes(self, form: PayloadForm) -> bool:
        """Tell whether there is room for the decoder of a payload."""
        return self.staging_bytes > 0 and decoder_bytes(form) <= self.memory_bytes

    def check(self, manifest: Manifest) -> None:
        """Raise ModuleRejected unless the payload can be unpacked here."""
        if needs_staging(manifest) and not self.takes(manifest.payload):
            raise ModuleRejected(
                ModuleResult.WORKING_MEMORY_TOO_SMALL,
                f"Unpacking takes {decoder_bytes(manifest.payload):,} B of RAM, decoders have {self.memory_bytes:,} B",
            )


def needs_staging(manifest: Manifest) -> bool:
    """Tell whether the payload cannot run as it lies in the package."""
    return manifest.payload.encoding is not PayloadEncoding.NONE or manifest.encryption is not None
