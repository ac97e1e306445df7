"""What `lwm2m-ml compile` wrote, as it is packaged: the payload, and the descriptor that its facts make."""

import json
from pathlib import Path
from typing import Any

from lwm2m_ml.compiler.saved_module import FACTS_FILE, VECTORS_DIRECTORY, load_module
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.module.descriptor import Descriptor, ModuleFormat, model_identifier
from lwm2m_ml.module.tensors import TensorDescriptor

FORMATS = {"native-pic": ModuleFormat.NATIVE, "wasm": ModuleFormat.PORTABLE}


def descriptor_and_payload(directory: Path, name: str, version: str) -> tuple[Descriptor, bytes]:
    """Read a compiled module; raises InvalidInputError or UsageError for what is none."""
    module = load_module(directory)
    try:
        facts: dict[str, Any] = json.loads((directory / FACTS_FILE).read_bytes())
        descriptor = Descriptor(
            model_id=model_identifier(name),
            model_name=name,
            model_version=version,
            variant=name,
            target=module.target,
            flash_bytes=int(facts["flash_bytes"]),
            arena_bytes=module.arena_bytes,
            stack_bytes=int(facts["stack_bytes"]),
            instructions=int(facts["instructions"]),
            inputs=tuple(map(_tensor, module.inputs)),
            outputs=tuple(map(_tensor, module.outputs)),
            isa=tuple(map(str, facts["isa"])),
            format=FORMATS[str(facts["format"])],
            abi=str(facts["abi"]),
            labels=(),
            vectors=_vectors(directory / VECTORS_DIRECTORY),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInputError(f"{directory / FACTS_FILE} does not describe a module: {error}") from error
    return descriptor, module.payload


def _vectors(directory: Path) -> tuple[tuple[bytes, bytes], ...]:
    inputs = sorted(directory.glob("*.input.bin"))
    return tuple(
        (one.read_bytes(), one.with_name(one.name.replace(".input.", ".output.")).read_bytes()) for one in inputs
    )


def _tensor(fact: Any) -> TensorDescriptor:
    return TensorDescriptor(
        name=fact.name,
        shape=fact.shape,
        dtype=fact.dtype,
        scale=fact.scale,
        zero_point=fact.zero_point,
        offset=fact.offset,
    )
