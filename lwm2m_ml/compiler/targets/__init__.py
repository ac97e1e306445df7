"""Targets: processor cores and microcontrollers, one small data file each."""

from lwm2m_ml.compiler.targets.catalogue import (
    core_names,
    load_target,
    read_target_file,
    shipped_targets,
    target_for_instruction_set,
    target_names,
)
from lwm2m_ml.compiler.targets.errors import InvalidTargetFile, UnknownInstructionSet, UnknownTarget
from lwm2m_ml.compiler.targets.flags import normalised_flags
from lwm2m_ml.compiler.targets.target import Architecture, MemoryBank, Power, Proof, Storage, Target

__all__ = [
    "Architecture",
    "InvalidTargetFile",
    "MemoryBank",
    "Power",
    "Proof",
    "Storage",
    "Target",
    "UnknownInstructionSet",
    "UnknownTarget",
    "core_names",
    "load_target",
    "normalised_flags",
    "read_target_file",
    "shipped_targets",
    "target_for_instruction_set",
    "target_names",
]
