"""Signs modules with the service's key: the same build gets one package per kind of device and deployment."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lwm2m_ml.module.descriptor import ModuleFormat
from lwm2m_ml.module.encryption import EncryptedPayload, WrappingKey
from lwm2m_ml.module.inspection import inspect_package, sever
from lwm2m_ml.module.key_folder import open_key_store
from lwm2m_ml.module.key_index import Purpose
from lwm2m_ml.module.key_store import KeyStore
from lwm2m_ml.module.manifest import PayloadForm
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.signing import SigningKey, VerificationKey
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.descriptions import descriptor_of, provenance_of
from lwm2m_ml.service.packing import Packing, head_buffer_bytes
from lwm2m_ml.service.profiles import MlRuntime

TRUST_ANCHOR_FILE = "trust-anchor.pem"
TRUST_ROOT_FILE = "trust-root.pem"
COMPONENT = (b"model",)


@dataclass(frozen=True, slots=True)
class SignedModule:
    """A package ready to be delivered. `digest` is what ML Model shows as Module Digest, `form` how it is packed.

    `provenance` was signed with it and severed: devices do not need it.
    """

    digest: bytes
    package: bytes
    sequence_number: int
    key_id: bytes
    form: PayloadForm
    provenance: bytes


class Signer:
    """Signs with the active key of a key store, which may change while the service runs."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys = keys
        self._key: SigningKey | None = None

    @classmethod
    def open(cls, directory: Path) -> "Signer":
        """Open the key store in the data directory; the first start makes a key for modules and a root.

        The public halves are written beside it, for provisioning devices.
        """
        keys = open_key_store(directory)
        if not keys.list():
            for purpose in (Purpose.ROOT, Purpose.MODULES):
                keys.new(purpose)
            keys.publish_trust_list()
        signer = cls(keys)
        for name, key in ((TRUST_ANCHOR_FILE, signer.trust_anchor), (TRUST_ROOT_FILE, signer.trust_root)):
            if key is not None:
                (directory / name).write_bytes(key.to_pem())
        return signer

    @property
    def key(self) -> SigningKey:
        """The active key; raises NotFoundError when there is none."""
        record = self.keys.active()
        if self._key is None or self._key.key_id.hex() != record.key_id:
            self._key = self.keys.signing_key()
        return self._key

    @property
    def trust_anchor(self) -> VerificationKey | None:
        """The public half of the active key; None when there is none."""
        return self._public(Purpose.MODULES)

    @property
    def trust_root(self) -> VerificationKey | None:
        """The public half of the root key, None when that is kept elsewhere."""
        return self._public(Purpose.ROOT)

    def sign(
        self,
        build: Build,
        runtime: MlRuntime,
        sequence_number: int,
        packing: Packing = Packing(),  # noqa: B008 - frozen
        *,
        image: bytes | None = None,
        base: bytes | None = None,
        recipients: Sequence[WrappingKey] = (),
        encrypted: EncryptedPayload | None = None,
    ) -> SignedModule:
        """Package a build for the vendor and class of a device, packed as it can unpack it.

        `image` is firmware with the module built in, for devices that take nothing else. `base` is the image whose
        digest `packing` names. With `recipients` the payload is encrypted for their keys; `encrypted` is the payload
        that was packed and encrypted before.
        """
        key, provenance = self.key, provenance_of(build).encode()
        descriptor, content = descriptor_of(build), build.payload
        if image is not None:
            descriptor, content = replace(descriptor, format=ModuleFormat.BARE_METAL_IMAGE), image
        package = build_package(
            content,
            descriptor,
            key=key,
            vendor_id=runtime.vendor_id,
            class_id=runtime.class_id,
            component=COMPONENT,
            sequence_number=sequence_number,
            encodings=packing.encodings,
            window_bytes=packing.window_bytes,
            base=base,
            recipients=recipients,
            encrypted=encrypted,
            head_bytes=packing.head_bytes,
            provenance=provenance,
        )
        form = inspect_package(package).manifest.payload
        digest = hashlib.sha256(content).digest()
        return SignedModule(digest, sever(package), sequence_number, key.key_id, form, provenance)

    def package_bytes(self, build: Build, runtime: MlRuntime, sequence_number: int) -> int:
        """Return how large the package of a build is when it is not packed: what a device has to store at most."""
        packing = Packing(head_bytes=head_buffer_bytes(runtime))
        return len(self.sign(build, runtime, sequence_number, packing).package)

    def _public(self, purpose: Purpose) -> VerificationKey | None:
        record = self.keys.find_active(purpose)
        return None if record is None else self.keys.verification_key(record)
