"""Verifies a package while it arrives: nothing reaches a device's flash before its manifest is found good.

| what has arrived | what is checked | refused with (42770/x/12) |
|---|---|---|
| authentication, manifest | digest of the manifest, signature by a trusted key | 2 |
| | form of the manifest | 11 |
| | vendor, class, component | 4 |
| | sequence number | 5 |
| | size of the image and of the payload | 6 |
| descriptor, provenance, block table | digest of each | 3 |
| head of the payload | its length; encoding; base of a delta; key of an encrypted payload | 3, 11, 10, 12 |
| payload | hash of each block; its unpacking; length and digest of the image | 3, 11, 12 |
| descriptor | working memory, operators, format, ABI and instruction set | 7, 8, 9 |

The last row is checked last, so that a package that is wrong in two ways always gives the same result. A device that
would rather not fetch what it cannot run asks for `early` checks: then it comes when the descriptor has arrived.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lwm2m_ml.module import cose
from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.envelope import (
    Element,
    EnvelopeReader,
    Event,
    PayloadBegins,
    PayloadPiece,
    digest_matches,
    who_signed,
)
from lwm2m_ml.module.errors import InvalidDescriptorError, MalformedCborError, ModuleRejected
from lwm2m_ml.module.manifest import Label, Manifest
from lwm2m_ml.module.payload_pipeline import PayloadPipeline
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult


@dataclass(frozen=True, slots=True)
class VerifiedModule:
    """What is known of a package that passed. `payload_offset` and `payload_size` say where in it the payload lies."""

    manifest: Manifest
    descriptor: Descriptor
    key_id: bytes
    payload_offset: int
    payload_size: int
    provenance: bytes | None = field(default=None, repr=False)

    @property
    def sequence_number(self) -> int:
        """The sequence number that the manifest signs."""
        return self.manifest.sequence_number

    @property
    def digest(self) -> bytes:
        """SHA-256 of the image: what 42770/x/3 tells."""
        return self.manifest.image_digest


class StreamingVerifier:
    """Checks a package that arrives in pieces of any size.

    `feed` returns the bytes of the image that a piece completes, in order, for the device to write. `finish` returns
    the last of them, once all was good: before that, the image must not run. After a refusal every call repeats it.
    """

    def __init__(self, recipient: Recipient, *, early: bool = False) -> None:
        self._recipient = recipient
        self._early = early
        self._trusted = cose.trust(recipient.trust_anchors)
        self._reader = EnvelopeReader()
        self._elements: dict[Label, bytes] = {}
        self._key_id = b""
        self._begin: PayloadBegins | None = None
        self._pipeline: PayloadPipeline | None = None
        self._rejection: ModuleRejected | None = None
        self._verified: VerifiedModule | None = None
        self.manifest: Manifest | None = None
        """The manifest, once it has been found good."""
        self.descriptor: Descriptor | None = None
        """The descriptor, once its digest has been found right."""

    @property
    def verified(self) -> VerifiedModule:
        """What is known of the package; raises ModuleRejected before `finish` has found it good."""
        if self._verified is None:
            raise self._rejection or self._damaged("The package has not been verified to its end")
        return self._verified

    @property
    def unchecked_bytes(self) -> int:
        """How many of the last bytes belong to a block whose hash cannot be checked yet."""
        return self._pipeline.unchecked_bytes if self._pipeline is not None else 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the package; return the next bytes of the image. Raises ModuleRejected."""
        with self._remembering_refusals():
            return b"".join(self._handle(event) for event in self._reader.feed(data))

    def finish(self) -> bytes:
        """Say that the package has ended; return the last bytes of the image. Raises ModuleRejected."""
        with self._remembering_refusals():
            if not self._reader.is_complete or self._pipeline is None or self._begin is None:
                raise self._damaged("The package is cut off")
            rest = self._pipeline.finish()
            manifest, descriptor = self._known()
            self._recipient.check_descriptor(descriptor)
            self._verified = VerifiedModule(
                manifest,
                descriptor,
                self._key_id,
                self._begin.offset,
                self._begin.size,
                self._elements.get(Label.PROVENANCE),
            )
            return rest

    @contextmanager
    def _remembering_refusals(self) -> Iterator[None]:
        if self._rejection is not None:
            raise ModuleRejected(self._rejection.result, self._rejection.message)
        try:
            yield
        except ModuleRejected as rejection:
            self._rejection = rejection
            raise
        except MalformedCborError as error:
            self._rejection = self._damaged(error.message)
            raise self._rejection from error

    def _handle(self, event: Event) -> bytes:
        match event:
            case Element(Label.MANIFEST, content):
                self._check_manifest(content)
            case Element(Label.DESCRIPTOR, content):
                self._check_descriptor(content)
            case Element(label, content):
                self._check_element(label, content)
            case PayloadBegins():
                self._begin_payload(event)
            case PayloadPiece(data) if self._pipeline is not None:
                return self._pipeline.feed(data)
        return b""

    def _check_manifest(self, content: bytes) -> None:
        key = who_signed(self._elements.get(Label.AUTHENTICATION, b""), content, self._trusted)
        if key is None:
            raise ModuleRejected(ModuleResult.SIGNATURE_INVALID, "The module is not signed by a key that is trusted")
        try:
            manifest = Manifest.decode(content)
        except MalformedCborError as error:
            raise ModuleRejected(ModuleResult.DECODING_FAILED, error.message) from error
        self._recipient.check_manifest(manifest)
        self._key_id, self.manifest = key.key_id, manifest

    def _check_descriptor(self, content: bytes) -> None:
        self._check_element(Label.DESCRIPTOR, content)
        try:
            self.descriptor = Descriptor.decode(content)
        except InvalidDescriptorError as error:
            raise ModuleRejected(ModuleResult.DECODING_FAILED, error.message) from error
        if self._early:
            self._recipient.check_descriptor(self.descriptor)

    def _check_element(self, label: Label, content: bytes) -> None:
        """Keep an element whose digest the manifest signs; the authentication is checked with the manifest."""
        if label is not Label.AUTHENTICATION:
            manifest = self._authentic()
            expected = {
                Label.DESCRIPTOR: manifest.descriptor_digest,
                Label.PROVENANCE: manifest.provenance_digest,
                Label.BLOCK_TABLE: manifest.block_table_digest,
            }
            if not digest_matches(content, expected.get(label)):
                what = label.name.lower().replace("_", " ")
                raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, f"The {what} is not what the manifest says")
        self._elements[label] = content

    def _begin_payload(self, begin: PayloadBegins) -> None:
        manifest, _ = self._known()
        if begin.size != manifest.payload.size:
            raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, "The payload is not as long as the manifest says")
        self._begin = begin
        self._pipeline = PayloadPipeline(manifest, self._recipient, self._elements.get(Label.BLOCK_TABLE))

    def _authentic(self) -> Manifest:
        if self.manifest is None:
            raise self._damaged("The package has no manifest where it should be")
        return self.manifest

    def _known(self) -> tuple[Manifest, Descriptor]:
        manifest = self._authentic()
        if self.descriptor is None:
            raise self._damaged("The package has no descriptor")
        return manifest, self.descriptor

    def _damaged(self, why: str) -> ModuleRejected:
        """Nothing is authentic before the manifest was; after that, something is not what was signed."""
        result = ModuleResult.SIGNATURE_INVALID if self.manifest is None else ModuleResult.DIGEST_MISMATCH
        return ModuleRejected(result, why)
