"""From the staging area into a slot: decrypts and unpacks a payload, block by block, behind the package's own head.

The head (signature, manifest, descriptor) is kept with the image, so that every boot can verify what it runs.
"""

from collections.abc import Iterator
from hashlib import sha256

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.streaming import StreamingVerifier
from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.memory.flash import FlashRegion
from lwm2m_ml_simulator.modules.slots import StagedModule

IMAGE_ALIGNMENT = 16
"""The module ABI lets an image lie at any multiple of this."""
_PIECE_BYTES = 512


class ImageWriter:
    """Programs bytes one after the other, in whole write units."""

    def __init__(self, region: FlashRegion, position: int) -> None:
        unit = region.flash.geometry.write_bytes
        self._region = region
        self._position = position // unit * unit
        self._waiting = bytearray(b"\xff" * (position % unit))

    def write(self, data: bytes) -> None:
        """Add bytes; raises StorageFull at the end of the region."""
        self._waiting += data
        unit = self._region.flash.geometry.write_bytes
        self._program(len(self._waiting) // unit * unit)

    def finish(self) -> None:
        """Write what is left over."""
        self._program(len(self._waiting))

    def _program(self, count: int) -> None:
        if self._position + count > self._region.length:
            raise StorageFull(f"the unpacked module does not fit into a slot of {self._region.length} B")
        if count:
            self._region.program(self._position, bytes(self._waiting[:count]))
            del self._waiting[:count]
            self._position += count


def unpack(package: bytes, head_bytes: int, verifier: StreamingVerifier, region: FlashRegion) -> StagedModule:
    """Write the image of a package that lies in the staging area into a slot; raises ModuleRejected, StorageFull."""
    region.clean()
    start = -head_bytes % IMAGE_ALIGNMENT
    writer = ImageWriter(region, start)
    writer.write(package[:head_bytes])
    for image in _images(package, verifier):
        writer.write(image)
    writer.finish()
    verified = verifier.verified
    size = verified.manifest.image_size
    return StagedModule(
        start,
        head_bytes + size,
        start + head_bytes,
        size,
        verified.sequence_number,
        verified.digest,
        is_unpacked=True,
    )


def _images(package: bytes, verifier: StreamingVerifier) -> Iterator[bytes]:
    for start in range(0, len(package), _PIECE_BYTES):
        yield verifier.feed(package[start : start + _PIECE_BYTES])
    yield verifier.finish()


def verify_unpacked(verifier: StreamingVerifier, region: FlashRegion, staged: StagedModule) -> Descriptor:
    """Verify the head of a package and the image behind it; raises ModuleRejected.

    The verifier never hears of the payload: it knows manifest and descriptor then, and is not finished.
    """
    head = region.read(staged.package_start, staged.payload_offset - staged.package_start)
    # Without its last byte the payload has not begun.
    verifier.feed(head[:-1])
    if verifier.manifest is None or verifier.descriptor is None:
        raise ModuleRejected(ModuleResult.SIGNATURE_INVALID, "The head of the package is cut off")
    image = region.read(staged.payload_offset, staged.payload_bytes)
    if sha256(image).digest() != verifier.manifest.image_digest:
        raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, "The module's code is not what the manifest says")
    return verifier.descriptor
