"""A delta against the image that the device has now, as detools makes it: a sequential patch."""

import io
import types
from hashlib import sha256

from lwm2m_ml.errors import MissingExtraError
from lwm2m_ml.module.encodings.base import EncodedPayload, OutputLimit, decoding_failed
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm
from lwm2m_ml.module.results import ModuleResult

_COMPRESSIONS = ("crle", "heatshrink")  # what detools' decoder for devices unpacks with little memory


def encode_delta(image: bytes, base: bytes) -> list[EncodedPayload]:
    """Return patches from `base` to `image`; none when detools is not installed, for a delta is never needed."""
    detools = _detools()
    if detools is None:
        return []
    patches = []
    for compression in _COMPRESSIONS:
        patch = io.BytesIO()
        detools.create_patch(io.BytesIO(base), io.BytesIO(image), patch, compression=compression)
        patches.append(patch.getvalue())
    digest = sha256(base).digest()
    return [
        EncodedPayload(PayloadForm(PayloadEncoding.DELTA, len(patch), base_digest=digest), patch) for patch in patches
    ]


class DeltaDecoder:
    """Collects the patch, whose size is signed, and applies it at its end."""

    def __init__(self, form: PayloadForm, image_size: int, base: bytes | None) -> None:
        if base is None or form.base_digest is None or sha256(base).digest() != form.base_digest:
            raise ModuleRejected(
                ModuleResult.DELTA_BASE_MISMATCH, "The delta is against another image than the one that is here"
            )
        detools = _detools()
        if detools is None:
            raise MissingExtraError("detools, which applies deltas,", "delta")
        self._detools = detools
        self._base = base
        self._limit = OutputLimit(image_size)
        self._size = form.size
        self._patch = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Keep `data`."""
        if len(self._patch) + len(data) > self._size:
            raise decoding_failed("The delta is longer than the manifest says")
        self._patch += data
        return b""

    def finish(self) -> bytes:
        """Return the whole image."""
        image = _LimitedOutput(self._limit)
        try:
            self._detools.apply_patch(io.BytesIO(self._base), io.BytesIO(bytes(self._patch)), image)
        except ModuleRejected:
            raise
        except Exception as error:  # detools meets damaged patches with errors of many kinds
            raise decoding_failed("The delta is damaged") from error
        return image.getvalue()


class _LimitedOutput(io.BytesIO):
    def __init__(self, limit: OutputLimit) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return super().write(self._limit.passed(bytes(data)))


def _detools() -> types.ModuleType | None:
    try:
        import detools  # noqa: PLC0415  (an extra that needs a C compiler)
    except ImportError:
        return None
    module: types.ModuleType = detools
    return module
