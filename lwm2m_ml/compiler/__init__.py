"""The in-process compiler: a model and a target in, proved machine code and measured facts out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.compiler.compile import compile, evaluate
    from lwm2m_ml.compiler.facts import CompiledModule, TensorFact

__all__ = ["CompiledModule", "TensorFact", "compile", "evaluate"]

_HOMES = {
    "CompiledModule": "lwm2m_ml.compiler.facts",
    "TensorFact": "lwm2m_ml.compiler.facts",
    "compile": "lwm2m_ml.compiler.compile",
    "evaluate": "lwm2m_ml.compiler.compile",
}


def __getattr__(name: str) -> object:
    """Import on first use: numpy, the toolchain and the emulator must not burden who only reads a target."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module  # noqa: PLC0415 - only on first use

    return getattr(import_module(_HOMES[name]), name)
