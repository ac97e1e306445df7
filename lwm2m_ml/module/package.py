"""Builds and verifies packages: a module's payload and descriptor, signed, in a SUIT envelope."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from lwm2m_ml.module import envelope
from lwm2m_ml.module.block_table import BlockTable, usual_block_bytes
from lwm2m_ml.module.descriptor import NATIVE_OPERATOR_SET, Descriptor, ModuleFormat
from lwm2m_ml.module.encodings import DEFAULT_WINDOW_BYTES, EncodedPayload, encode_smallest
from lwm2m_ml.module.encryption import (
    DecryptionKey,
    EncryptedPayload,
    WrappingKey,
    encrypt,
    encryption_information,
)
from lwm2m_ml.module.errors import InvalidPackageFactsError, ModuleRejected
from lwm2m_ml.module.manifest import Label, Manifest, PayloadEncoding, PayloadForm
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import SigningKey, VerificationKey
from lwm2m_ml.module.streaming import StreamingVerifier, VerifiedModule

__all__ = ["ModuleRejected", "ModuleResult", "VerifiedPackage", "build_package", "verify_package"]

_FEED_BYTES = 16384
MAXIMUM_SIGNED_BYTES = 640
"""Of authentication and manifest together, with delta, encryption and all severable elements."""


@dataclass(frozen=True, slots=True)
class VerifiedPackage:
    """A package that passed every check: the unpacked payload and what is known of it."""

    payload: bytes = field(repr=False)
    module: VerifiedModule

    @property
    def descriptor(self) -> Descriptor:
        """The module's facts."""
        return self.module.descriptor

    @property
    def manifest(self) -> Manifest:
        """What was signed."""
        return self.module.manifest

    @property
    def sequence_number(self) -> int:
        """The sequence number that the manifest signs."""
        return self.module.sequence_number

    @property
    def digest(self) -> bytes:
        """SHA-256 of the payload: what 42770/x/3 tells."""
        return self.module.digest

    @property
    def key_id(self) -> bytes:
        """Thumbprint of the key that signed it."""
        return self.module.key_id

    @property
    def payload_offset(self) -> int:
        """Where in the package the payload begins; it lies there as it is unless it is encoded or encrypted."""
        return self.module.payload_offset


def build_package(
    payload: bytes,
    descriptor: Descriptor,
    *,
    key: SigningKey,
    vendor_id: bytes,
    class_id: bytes,
    component: Sequence[bytes],
    sequence_number: int,
    encodings: Collection[PayloadEncoding] = (PayloadEncoding.NONE,),
    window_bytes: int = DEFAULT_WINDOW_BYTES,
    base: bytes | None = None,
    recipients: Sequence[WrappingKey] = (),
    encrypted: EncryptedPayload | None = None,
    block_bytes: int | None = None,
    head_bytes: int = 0,
    provenance: bytes | None = None,
) -> bytes:
    """Return the signed package.

    The payload is packed in the smallest of `encodings`; `base`, what the device runs now, makes a delta possible, and
    `window_bytes` bounds what the decoder must remember. With `recipients` the payload is encrypted for their keys;
    `encrypted` is the result of an earlier `encrypt_payload` of the same payload for other recipients.
    `block_bytes` adds hashes of blocks of this size. With `head_bytes`, the RAM that devices have for what comes before
    the payload, hashes are added when they fit there and the payload is large enough to profit.
    `provenance`, encoded, goes beside the module until severed.
    Raises InvalidPackageFactsError for facts that cannot be said in a package.
    """
    if not payload:
        raise InvalidPackageFactsError("A module without code cannot be packaged")
    packed = encode_smallest(payload, encodings, window_bytes=window_bytes, base=base)
    content, form, information = packed.data, packed.form, None
    if recipients:
        secret = encrypted if encrypted is not None else encrypt(packed.data)
        content, information = secret.data, encryption_information(secret, recipients)
        form = PayloadForm(form.encoding, len(content), form.window_bits, form.lookahead_bits, form.base_digest)
    elements = {Label.DESCRIPTOR: descriptor.encode()}
    if provenance is not None:
        elements[Label.PROVENANCE] = provenance
    if block_bytes is None:
        room = head_bytes - MAXIMUM_SIGNED_BYTES - len(elements[Label.DESCRIPTOR])
        block_bytes = usual_block_bytes(len(content), room, head_bytes)
    if block_bytes is not None:
        elements[Label.BLOCK_TABLE] = BlockTable.of(content, block_bytes).encode()
    _check_sizes(elements)
    digests = {label: envelope.element_digest(element) for label, element in elements.items()}
    manifest = Manifest(
        sequence_number=sequence_number,
        vendor_id=vendor_id,
        class_id=class_id,
        component=tuple(component),
        image_digest=sha256(payload).digest(),
        image_size=len(payload),
        payload=form,
        descriptor_digest=digests[Label.DESCRIPTOR],
        provenance_digest=digests.get(Label.PROVENANCE),
        block_table_digest=digests.get(Label.BLOCK_TABLE),
        encryption=information,
    ).encode()
    elements |= {Label.MANIFEST: manifest, Label.AUTHENTICATION: envelope.authenticate(manifest, key)}
    _check_sizes(elements)
    return envelope.write(elements, content)


def encrypt_payload(
    payload: bytes,
    encodings: Collection[PayloadEncoding] = (PayloadEncoding.NONE,),
    *,
    window_bytes: int = DEFAULT_WINDOW_BYTES,
    base: bytes | None = None,
) -> EncryptedPayload:
    """Pack and encrypt a payload once, for `build_package` to wrap its key for one device after the other."""
    packed: EncodedPayload = encode_smallest(payload, encodings, window_bytes=window_bytes, base=base)
    return encrypt(packed.data)


def verify_package(
    package: bytes,
    *,
    trust_anchors: Iterable[VerificationKey],
    vendor_id: bytes,
    class_id: bytes,
    storage_bytes: int,
    working_memory_bytes: int,
    sequence_floor: int = 0,
    abi: str = "1.0.0",
    component: Sequence[bytes] | None = None,
    formats: Sequence[int] = (ModuleFormat.NATIVE,),
    operator_sets: Sequence[str] = (NATIVE_OPERATOR_SET,),
    isa: Sequence[str] | None = None,
    encodings: Sequence[PayloadEncoding] = (PayloadEncoding.NONE,),
    base: bytes | None = None,
    decryption_key: DecryptionKey | None = None,
) -> VerifiedPackage:
    """Check a whole package as a device would; raises ModuleRejected with the device's result.

    The order is: signature, vendor and class, sequence number, size, digest, working memory, operators, ABI.
    """
    recipient = Recipient(
        trust_anchors=tuple(trust_anchors),
        vendor_id=vendor_id,
        class_id=class_id,
        storage_bytes=storage_bytes,
        working_memory_bytes=working_memory_bytes,
        sequence_floor=sequence_floor,
        abi=abi,
        component=tuple(component) if component is not None else None,
        formats=tuple(formats),
        operator_sets=tuple(operator_sets),
        isa=tuple(isa) if isa is not None else None,
        encodings=tuple(encodings),
        base=base,
        decryption_key=decryption_key,
    )
    verifier = StreamingVerifier(recipient)
    image = bytearray()
    for start in range(0, len(package), _FEED_BYTES):
        image += verifier.feed(package[start : start + _FEED_BYTES])
    image += verifier.finish()
    return VerifiedPackage(bytes(image), verifier.verified)


def _check_sizes(elements: dict[Label, bytes]) -> None:
    for label, element in elements.items():
        limit = envelope.MAXIMUM_ELEMENT_BYTES[label]
        if len(element) > limit:
            what = label.name.lower().replace("_", " ")
            raise InvalidPackageFactsError(f"The {what} has {len(element):,} B, at most {limit:,} B are possible")
