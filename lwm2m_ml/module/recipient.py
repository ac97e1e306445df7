"""A device as the verifier sees it: whom it trusts, what it is, and what it can hold and run."""

from dataclasses import dataclass, field

from lwm2m_ml.module.descriptor import NATIVE_OPERATOR_SET, Descriptor, ModuleFormat, Version
from lwm2m_ml.module.encryption import DecryptionKey
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.manifest import Manifest, PayloadEncoding
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import VerificationKey


@dataclass(frozen=True, slots=True)
class Recipient:
    """What packages are checked against.

    `sequence_floor` is the highest number ever confirmed; a package must have a higher one. `base` is the image that a
    delta may apply to. Where `component` or `isa` is None, that is not checked.
    """

    trust_anchors: tuple[VerificationKey, ...]
    vendor_id: bytes
    class_id: bytes
    storage_bytes: int
    working_memory_bytes: int
    sequence_floor: int = 0
    abi: str = "1.0.0"
    component: tuple[bytes, ...] | None = None
    formats: tuple[int, ...] = (ModuleFormat.NATIVE,)
    operator_sets: tuple[str, ...] = (NATIVE_OPERATOR_SET,)
    isa: tuple[str, ...] | None = None
    encodings: tuple[PayloadEncoding, ...] = (PayloadEncoding.NONE,)
    base: bytes | None = field(default=None, repr=False)
    decryption_key: DecryptionKey | None = field(default=None, repr=False)

    def check_manifest(self, manifest: Manifest) -> None:
        """Check vendor and class, sequence number and size, in this order; raises ModuleRejected."""
        if (manifest.vendor_id, manifest.class_id) != (self.vendor_id, self.class_id):
            raise ModuleRejected(
                ModuleResult.WRONG_VENDOR_OR_CLASS, "The module is for devices of another vendor or class"
            )
        if self.component is not None and manifest.component != self.component:
            raise ModuleRejected(ModuleResult.WRONG_VENDOR_OR_CLASS, "The module is for another component")
        if manifest.sequence_number <= self.sequence_floor:
            raise ModuleRejected(
                ModuleResult.SEQUENCE_NUMBER_TOO_LOW,
                f"The module has sequence number {manifest.sequence_number}, more than {self.sequence_floor} is needed",
            )
        needed = max(manifest.image_size, manifest.payload.size)
        if needed > self.storage_bytes:
            raise ModuleRejected(
                ModuleResult.STORAGE_TOO_SMALL,
                f"The module needs {needed:,} B of module storage, {self.storage_bytes:,} B are free",
            )

    def check_descriptor(self, descriptor: Descriptor) -> None:
        """Check working memory, operators and ABI, in this order; raises ModuleRejected."""
        needed = descriptor.working_memory_bytes
        if needed > self.working_memory_bytes:
            raise ModuleRejected(
                ModuleResult.WORKING_MEMORY_TOO_SMALL,
                f"The module needs {needed:,} B of working memory, {self.working_memory_bytes:,} B are free",
            )
        if descriptor.operator_set not in self.operator_sets:
            raise ModuleRejected(
                ModuleResult.OPERATOR_MISSING, f"The operator set {descriptor.operator_set!r} is not on this device"
            )
        if descriptor.format not in self.formats:
            raise ModuleRejected(
                ModuleResult.RUNTIME_VERSION_MISMATCH, f"Module format {descriptor.format} is not for this device"
            )
        if not Version.parse(descriptor.abi).runs_on(Version.parse(self.abi)):
            raise ModuleRejected(
                ModuleResult.RUNTIME_VERSION_MISMATCH,
                f"The module is for ABI {descriptor.abi}, this device has {self.abi}",
            )
        missing = set(descriptor.isa) - set(self.isa) if self.isa is not None else set()
        if missing:
            raise ModuleRejected(
                ModuleResult.RUNTIME_VERSION_MISMATCH,
                f"The module needs {', '.join(sorted(missing))} of the processor, which it has not",
            )
