"""What a package says of a build: the descriptor for the devices that run it, and where it comes from."""

import importlib.metadata
from collections.abc import Sequence

from lwm2m_ml import __version__
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor, model_identifier
from lwm2m_ml.module.learning import LearningDescriptor
from lwm2m_ml.module.provenance import Provenance
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.workers.facts import LearningFacts, TensorFacts

TOOLCHAIN = "ziglang"
MAXIMUM_VECTOR_BYTES = 3_100
"""Of the first known-answer vector: devices hold what comes before the image in RAM, some in 4 KiB."""
MAXIMUM_VECTORS_BYTES = 2_400
"""Of several: they leave room for the block table."""


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
        instructions=facts.instructions or 0,
        inputs=tuple(map(_tensor, facts.inputs)),
        outputs=tuple(map(_tensor, facts.outputs)),
        isa=facts.isa,
        format=facts.format,
        abi=facts.abi,
        labels=model.labels,
        vectors=vectors_for_devices(facts.vectors),
        drift=None if facts.drift is None else facts.drift.reference,
        licence=model.licence,
        learning=None if facts.learning is None else _learning(facts.learning),
    )


def vectors_for_devices(vectors: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return as many known-answer vectors as a device has room for before the image begins; none when all are large."""
    kept: list[tuple[bytes, bytes]] = []
    size = 0
    for given, expected in vectors:
        size += len(given) + len(expected)
        if size > (MAXIMUM_VECTORS_BYTES if kept else MAXIMUM_VECTOR_BYTES):
            break
        kept.append((given, expected))
    return tuple(kept)


def provenance_of(build: Build) -> Provenance:
    """Say what a build was made of, so that it can be made again."""
    calibration = build.model.calibration
    return Provenance(
        model_digest=bytes.fromhex(build.variant.digest),
        compiler=("lwm2m-ml", __version__),
        backend=(build.facts.backend, build.facts.backend_version),
        toolchain=(TOOLCHAIN, importlib.metadata.version(TOOLCHAIN)),
        plan_digest=build.facts.plan_digest,
        calibration_digest=None if calibration is None else bytes.fromhex(calibration.digest),
    )


def _learning(fact: LearningFacts) -> LearningDescriptor:
    return LearningDescriptor(fact.layers, fact.offset, fact.parameters, fact.state_bytes, fact.instructions)


def _tensor(fact: TensorFacts) -> TensorDescriptor:
    return TensorDescriptor(
        name=fact.name,
        shape=fact.shape,
        dtype=fact.dtype,
        scale=fact.scale,
        zero_point=fact.zero_point,
        offset=fact.offset,
    )
