"""The in-process compiler: a model and a target in, proved machine code and measured facts out."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.compiler.compilation import compile, evaluate
    from lwm2m_ml.compiler.facts import CompiledModule, TensorFact

__all__ = ["CompiledModule", "TensorFact", "compile", "evaluate"]

_HOMES = {
    "CompiledModule": "lwm2m_ml.compiler.facts",
    "TensorFact": "lwm2m_ml.compiler.facts",
    "compile": "lwm2m_ml.compiler.compilation",
    "evaluate": "lwm2m_ml.compiler.compilation",
}


def __getattr__(name: str) -> object:
    """Import on first use: numpy, the toolchain and the emulator must not burden who only reads a target."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
