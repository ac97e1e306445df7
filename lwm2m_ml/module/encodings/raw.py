"""No encoding: the payload is the image."""

from lwm2m_ml.module.encodings.base import EncodedPayload, OutputLimit
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm


def encode_raw(image: bytes) -> EncodedPayload:
    """Return the image as it is."""
    return EncodedPayload(PayloadForm(PayloadEncoding.NONE, len(image)), image)


class RawDecoder:
    """Passes everything on."""

    def __init__(self, image_size: int) -> None:
        self._limit = OutputLimit(image_size)

    def feed(self, data: bytes) -> bytes:
        """Return `data`."""
        return self._limit.passed(data)

    def finish(self) -> bytes:
        """Return nothing: nothing is ever held back."""
        return b""
