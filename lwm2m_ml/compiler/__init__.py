"""The in-process compiler: a model and a target in, proved machine code and measured facts out."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.compiler.compile import compile, evaluate
    from lwm2m_ml.compiler.facts import CompiledModule, TensorFact

__all__ = ["CompiledModule", "TensorFact", "compile", "evaluate"]

_HOMES = {
    "CompiledModule": "lwm2m_ml.compiler.facts",
    "TensorFact": "lwm2m_ml.compiler.facts",
    "evaluate": "lwm2m_ml.compiler.compile",
}


def __getattr__(name: str) -> object:
    """Import on first use: numpy, the toolchain and the emulator must not burden who only reads a target."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


class _Package(ModuleType):
    """The package's attribute `compile` is the function, although a submodule has the same name."""

    @property
    def compile(self) -> object:
        return import_module("lwm2m_ml.compiler.compile").compile

    @compile.setter
    def compile(self, submodule: object) -> None:
        """Leave the attribute when the import system would set it to the submodule."""


sys.modules[__name__].__class__ = _Package
