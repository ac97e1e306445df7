"""Signs modules with the service's key: the same build gets one package per kind of device and deployment."""

import hashlib
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.signing import SigningKey, read_secret
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.workers.facts import TensorFacts

KEY_FILE = "signing-key.pem"
SECRET_FILE = "signing-key.secret"  # noqa: S105 - the name of the file that holds it
TRUST_ANCHOR_FILE = "trust-anchor.pem"
COMPONENT = (b"model",)
MODEL_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lwm2m-ml:model")


@dataclass(frozen=True, slots=True)
class SignedModule:
    """A package ready to be delivered. `digest` is what ML Model shows as Module Digest."""

    digest: bytes
    package: bytes
    sequence_number: int


class Signer:
    """Holds the signing key of this service."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    @classmethod
    def open(cls, directory: Path) -> "Signer":
        """Load the key from the data directory; the first start creates it.

        The key file is encrypted with the passphrase in a file of its own, which may be moved to where backups of the
        data do not reach. Both are readable by their owner only; the public half is for provisioning devices.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, secret = directory / KEY_FILE, directory / SECRET_FILE
        if path.exists():
            return cls(SigningKey.load(path, read_secret(secret)))
        key = SigningKey.generate()
        _write_secret(secret)
        key.save(path, read_secret(secret))
        (directory / TRUST_ANCHOR_FILE).write_bytes(key.verification_key.to_pem())
        return cls(key)

    def sign(self, build: Build, runtime: MlRuntime, sequence_number: int) -> SignedModule:
        """Package a build for the vendor and class of a device."""
        package = build_package(
            build.payload,
            descriptor_of(build),
            key=self.key,
            vendor_id=runtime.vendor_id,
            class_id=runtime.class_id,
            component=COMPONENT,
            sequence_number=sequence_number,
        )
        return SignedModule(hashlib.sha256(build.payload).digest(), package, sequence_number)

    def package_bytes(self, build: Build, runtime: MlRuntime, sequence_number: int) -> int:
        """Return how large the package of a build is with this number: what a device has to store."""
        return len(self.sign(build, runtime, sequence_number).package)


def _write_secret(path: Path) -> None:
    """Make a passphrase; one that a first start wrote before it was interrupted serves as well."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def model_identifier(name: str) -> bytes:
    """Return the 16 bytes that identify a model whatever its version: a name-based UUID (RFC 9562 §5.5)."""
    return uuid.uuid5(MODEL_NAMESPACE, name).bytes


def descriptor_of(build: Build) -> Descriptor:
    """Describe a build for the devices that run it."""
    facts, model = build.facts, build.model
    return Descriptor(
        model_id=model_identifier(model.name),
        model_name=model.name,
        model_version=model.version,
        variant=build.variant.name,
        target=facts.target,
        flash_bytes=facts.flash_bytes,
        arena_bytes=facts.arena_bytes,
        stack_bytes=facts.stack_bytes,
        instructions=facts.instructions,
        inputs=tuple(map(_tensor, facts.inputs)),
        outputs=tuple(map(_tensor, facts.outputs)),
        isa=facts.isa,
        format=facts.format,
        abi=facts.abi,
        labels=model.labels,
        vectors=facts.vectors,
        licence=model.licence,
    )


def _tensor(fact: TensorFacts) -> TensorDescriptor:
    return TensorDescriptor(
        name=fact.name,
        shape=fact.shape,
        dtype=fact.dtype,
        scale=fact.scale,
        zero_point=fact.zero_point,
        offset=fact.offset,
    )
