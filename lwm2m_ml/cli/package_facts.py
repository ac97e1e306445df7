"""What a module package says of itself, as commands show it."""

import uuid
from typing import Any

from lwm2m_ml.module.inspection import PackageContents

LONGEST_SHOWN = 100


def facts_of(contents: PackageContents) -> dict[str, Any]:
    """What a package says, by names that a person knows."""
    manifest, descriptor, form = contents.manifest, contents.descriptor, contents.manifest.payload
    return {
        "model": descriptor.model_name,
        "version": descriptor.model_version,
        "variant": descriptor.variant,
        "target": descriptor.target,
        "instruction_set": list(descriptor.isa),
        "format": int(descriptor.format),
        "abi": descriptor.abi,
        "vendor": str(uuid.UUID(bytes=manifest.vendor_id)),
        "class": str(uuid.UUID(bytes=manifest.class_id)),
        "sequence_number": manifest.sequence_number,
        "signed_by": contents.key_id.hex() if contents.key_id else None,
        "image_digest": manifest.image_digest.hex(),
        "image_bytes": manifest.image_size,
        "encoding": form.encoding.name.lower(),
        "payload_bytes": form.size,
        "base_digest": form.base_digest.hex() if form.base_digest else None,
        "encrypted": manifest.encryption is not None,
        "signature_and_manifest_bytes": contents.head_size,
        "flash_bytes": descriptor.flash_bytes,
        "arena_bytes": descriptor.arena_bytes,
        "stack_bytes": descriptor.stack_bytes,
        "instructions": descriptor.instructions,
        "inputs": [f"{one.name} {one.dtype} {'×'.join(map(str, one.shape))}" for one in descriptor.inputs],
        "outputs": [f"{one.name} {one.dtype} {'×'.join(map(str, one.shape))}" for one in descriptor.outputs],
        "labels": list(descriptor.labels),
        "known_answer_vectors": len(descriptor.vectors),
        "licence": descriptor.licence,
    }


def shown(value: Any) -> Any:
    """A fact as a table shows it: lists in one line, long ones shortened."""
    if isinstance(value, list):
        text = ", ".join(map(str, value))
        return text if len(text) <= 100 else f"{text[:99]}…"
    return None if value == "" else value


def plain(value: object) -> Any:
    """A field of a manifest or descriptor as JSON holds it."""
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return str(value)
