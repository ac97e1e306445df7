"""Looks into a package without trusting it, signs its content anew, and takes severable elements out."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.module import cbor, envelope
from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.envelope import Element, EnvelopeReader, PayloadBegins, PayloadPiece
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError
from lwm2m_ml.module.manifest import Label, Manifest
from lwm2m_ml.module.signing import SigningKey

SEVERABLE = frozenset({Label.PROVENANCE, Label.BLOCK_TABLE})
_REQUIRED = frozenset({Label.AUTHENTICATION, Label.MANIFEST, Label.DESCRIPTOR})


@dataclass(frozen=True, slots=True)
class PackageContents:
    """What a package says, whoever signed it. `key_id` is whom it names as its signer; nothing of it was checked."""

    elements: dict[Label, bytes]
    manifest: Manifest
    descriptor: Descriptor
    key_id: bytes | None
    payload: bytes

    @property
    def head_size(self) -> int:
        """How much of it a device must hold before it can trust anything: tag, authentication and manifest."""
        parts = (self.elements[label] for label in (Label.AUTHENTICATION, Label.MANIFEST))
        return len(envelope.ENVELOPE_TAG) + 1 + sum(1 + len(cbor.encode(part)) for part in parts)


def inspect_package(package: bytes) -> PackageContents:
    """Read a package; raises InvalidInputError when it is none."""
    reader, elements, payload = EnvelopeReader(), dict[Label, bytes](), bytearray()
    for event in reader.feed(package):
        match event:
            case Element(label, content):
                elements[label] = content
            case PayloadPiece(data):
                payload += data
            case PayloadBegins():
                pass
    missing = sorted(label.name.lower() for label in _REQUIRED - set(elements))
    if missing or not reader.is_complete:
        raise InvalidInputError(f"The package is cut off or lacks its {', '.join(missing) or 'payload'}")
    return PackageContents(
        elements,
        Manifest.decode(elements[Label.MANIFEST]),
        Descriptor.decode(elements[Label.DESCRIPTOR]),
        _key_id(elements[Label.AUTHENTICATION]),
        bytes(payload),
    )


def sever(package: bytes, labels: Collection[Label] = (Label.PROVENANCE,)) -> bytes:
    """Return the package without some of its severable elements; its signature stays good."""
    if not set(labels) <= SEVERABLE:
        raise InvalidPackageFactsError("Only provenance and block table can be taken out of a package")
    contents = inspect_package(package)
    kept = {label: element for label, element in contents.elements.items() if label not in labels}
    return envelope.write(kept, contents.payload)


def sign_again(package: bytes, key: SigningKey, sequence_number: int) -> bytes:
    """Return the package with another sequence number and signature: how a device goes back to an older module."""
    contents = inspect_package(package)
    manifest = replace(contents.manifest, sequence_number=sequence_number).encode()
    signed = {Label.MANIFEST: manifest, Label.AUTHENTICATION: envelope.authenticate(manifest, key)}
    return envelope.write(contents.elements | signed, contents.payload)


def differences(one: PackageContents, other: PackageContents) -> dict[str, tuple[object, object]]:
    """Return what two packages say differently, by the names of manifest's and descriptor's fields."""
    found: dict[str, tuple[object, object]] = {}
    pairs: tuple[tuple[Any, Any], ...] = ((one.manifest, other.manifest), (one.descriptor, other.descriptor))
    for left, right in pairs:
        for field in fields(left):
            values = getattr(left, field.name), getattr(right, field.name)
            if values[0] != values[1]:
                found[field.name] = values
    if one.key_id != other.key_id:
        found["key_id"] = one.key_id, other.key_id
    return found


def _key_id(authentication: bytes) -> bytes | None:
    try:
        wrapper: Any = cbor.decode(authentication)
        message: Any = cbor.decode(wrapper[1])
        key_id = message.value[1].get(4)
    except (MalformedCborError, AttributeError, IndexError, KeyError, TypeError):
        return None
    return key_id if isinstance(key_id, bytes) else None
