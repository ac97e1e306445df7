"""All installed backends on one model and target: what each makes of it, the best first, and why the others do not."""

import pathlib
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.compiler.backends.interface import Basis, Cost, Format
from lwm2m_ml.compiler.backends.isolation import DEFAULT_LIMITS, Limits
from lwm2m_ml.compiler.backends.registry import backend_names
from lwm2m_ml.compiler.compilation import compile, integer_graph
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import Lwm2mMlError

_UNKNOWN = 1 << 62
_FORMATS = (Format.NATIVE, Format.WASM, Format.TFLITE, Format.C_SOURCES)
# Options that say what is made of the model before any backend sees it.
_READING = frozenset({"precision", "quantization"})


@dataclass(frozen=True, slots=True)
class Compared:
    """What one backend made, or why it made nothing."""

    backend: str
    module: CompiledModule | None
    reason: str = ""


def compare(
    model: bytes | pathlib.Path, target: Target, *, limits: Limits = DEFAULT_LIMITS, **options: Any
) -> tuple[Compared, ...]:
    """Compile with every installed backend; `options` are those of `compile`.

    What a backend does wrong is its reason, never an error of the comparison; a model that cannot be read is one.
    """
    read = {name: options[name] for name in _READING & options.keys()}
    integer_graph(model, options.get("calibration"), options.get("reference", "litert"), **read)
    compared = [_try(name, model, target, limits, options) for name in backend_names()]
    optimize = str(options.get("optimize", "balanced"))
    return tuple(sorted(compared, key=lambda each: _rank(each, optimize)))


def _try(name: str, model: bytes | pathlib.Path, target: Target, limits: Limits, options: dict[str, Any]) -> Compared:
    try:
        module = compile(model, target, backend=name, limits=limits, allow_unproved=True, **options)
    except Lwm2mMlError as error:
        return Compared(name, None, error.message)
    return Compared(name, module)


def _rank(compared: Compared, optimize: str) -> tuple[Any, ...]:
    """Modules before reasons, proved ones before others, machine code first; those of one format by the objective.

    Instructions of different machines are not comparable, so formats are never weighed against each other by them.
    """
    module = compared.module
    if module is None:
        return (2, compared.backend)
    return (
        0 if module.proved else 1,
        _FORMATS.index(Format(module.format)),
        module.cost.basis is not Basis.MEASURED,
        *objective(module.cost, optimize),
        compared.backend,
    )


def objective(cost: Cost, optimize: str) -> tuple[int, ...]:
    """What is to be small; a figure that nobody knows counts as large."""
    ram = _UNKNOWN if cost.ram_bytes is None else cost.ram_bytes
    instructions = _UNKNOWN if cost.instructions is None else cost.instructions
    if optimize == "size":
        return (cost.flash_bytes + ram, instructions)
    if optimize == "speed":
        return (instructions, cost.flash_bytes + ram)
    return (cost.flash_bytes * ram * instructions,)
