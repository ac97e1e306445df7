"""The toolchain: C and assembly in, flat position-independent machine code out."""

from lwm2m_ml.compiler.isa_check import InstructionSetError
from lwm2m_ml.compiler.toolchain.blob import ALIGNMENT, Blob, Symbol
from lwm2m_ml.compiler.toolchain.build import DEFAULT_ENTRY, compile_blob
from lwm2m_ml.compiler.toolchain.cache import cache_directory
from lwm2m_ml.compiler.toolchain.errors import NotPositionIndependent, ToolchainError
from lwm2m_ml.compiler.toolchain.sources import OPTIMIZATIONS

__all__ = [
    "ALIGNMENT",
    "DEFAULT_ENTRY",
    "OPTIMIZATIONS",
    "Blob",
    "InstructionSetError",
    "NotPositionIndependent",
    "Symbol",
    "ToolchainError",
    "cache_directory",
    "compile_blob",
]
