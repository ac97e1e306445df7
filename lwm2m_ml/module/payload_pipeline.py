"""The way of a payload from package to image: block hashes, decryption, unpacking, length and digest."""

from hashlib import sha256

from lwm2m_ml.module.block_table import BlockChecker, BlockTable
from lwm2m_ml.module.encodings import decoder_for
from lwm2m_ml.module.encryption import PayloadDecryptor
from lwm2m_ml.module.errors import DamagedBlock, MalformedCborError, ModuleRejected
from lwm2m_ml.module.manifest import Manifest
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult


class PayloadPipeline:
    """Takes the payload as it lies in the package; gives the image. Every refusal is a ModuleRejected."""

    def __init__(self, manifest: Manifest, recipient: Recipient, block_table: bytes | None) -> None:
        form = manifest.payload
        if form.encoding not in recipient.encodings:
            raise ModuleRejected(
                ModuleResult.DECODING_FAILED, f"Payload encoding {form.encoding.name} is not supported by this device"
            )
        self._manifest = manifest
        self._blocks = BlockChecker(_table(block_table, form.size)) if block_table is not None else None
        self._decryptor = None
        if manifest.encryption is not None:
            self._decryptor = PayloadDecryptor(manifest.encryption, form.size, recipient.decryption_key)
        self._decoder = decoder_for(form, manifest.image_size, recipient.base)
        self._payload_left = form.size
        self._image_left = manifest.image_size
        self._digest = sha256()

    @property
    def unchecked_bytes(self) -> int:
        """How many bytes of the payload wait for the end of their block."""
        return self._blocks.waiting_bytes if self._blocks is not None else 0

    def feed(self, data: bytes) -> bytes:
        """Return what `data` completes of the image."""
        self._payload_left -= len(data)
        blocks = data
        if self._blocks is not None:
            good = self._blocks.feed(data, last=self._payload_left == 0)
            if good is None:
                raise DamagedBlock(ModuleResult.DIGEST_MISMATCH, "A block of the payload is not the one that was sent")
            blocks = good
        plain = self._decryptor.feed(blocks) if self._decryptor is not None else blocks
        return self._passed(self._decoder.feed(plain))

    def finish(self) -> bytes:
        """Return the rest of the image, once its length and digest are found right."""
        if self._decryptor is not None:
            self._decryptor.finish()
        rest = self._passed(self._decoder.finish())
        if self._image_left or self._digest.digest() != self._manifest.image_digest:
            raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, "The module's code is not what the manifest says")
        return rest

    def _passed(self, image: bytes) -> bytes:
        self._digest.update(image)
        self._image_left -= len(image)
        return image


def _table(data: bytes, payload_size: int) -> BlockTable:
    try:
        return BlockTable.decode(data, payload_size)
    except MalformedCborError as error:
        raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, error.message) from error
