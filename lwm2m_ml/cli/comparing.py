"""The comparison of all backends, as `lwm2m-ml compile --backend all` prints it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from lwm2m_ml.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lwm2m_ml.compiler.comparison import Compared
    from lwm2m_ml.compiler.ir import Array
    from lwm2m_ml.compiler.quantize.settings import QuantizationSettings
    from lwm2m_ml.compiler.targets import Target

ALL = "all"


class Wanted(TypedDict):
    """The options of the compiler that the commands pass on."""

    calibration: "Array | None"
    optimize: str
    reference: str
    precision: str
    inputs: "Mapping[str, Array] | None"
    quantization: "QuantizationSettings"


def print_comparison(model: bytes, target: "Target", wanted: Wanted, output: Path | None, *, as_json: bool) -> None:
    """Compile with every backend and print what came of it, the best first; with an output directory write all."""
    from lwm2m_ml.compiler.comparison import compare
    from lwm2m_ml.compiler.saved_module import save_module

    compared = compare(model, target, **wanted)
    written = {
        each.backend: str(save_module(each.module, output / each.backend))
        for each in compared
        if output is not None and each.module is not None
    }
    if as_json:
        print_json([_as_json(each, written.get(each.backend)) for each in compared])
        return
    columns = ("BACKEND", "FORMAT", "FLASH B", "RAM B", "INSTRUCTIONS", "COST", "REMARK")
    print_table(columns, [_row(each) for each in compared])


def _as_json(compared: "Compared", written: str | None) -> dict[str, Any]:
    from lwm2m_ml.compiler.saved_module import facts_of

    if compared.module is None:
        return {"backend": compared.backend, "compiled": False, "reason": compared.reason}
    facts = facts_of(compared.module)
    return {"backend": compared.backend, "compiled": True, "module": written, "reason": _remark(compared), **facts}


def _row(compared: "Compared") -> tuple[object, ...]:
    module = compared.module
    if module is None:
        return (compared.backend, *(None,) * 5, compared.reason)
    return (
        compared.backend,
        module.format,
        module.cost.flash_bytes,
        module.cost.ram_bytes,
        module.instructions,
        str(module.cost.basis),
        _remark(compared),
    )


def _remark(compared: "Compared") -> str:
    """What the figures do not say."""
    module = compared.module
    if module is None:
        return compared.reason
    if not module.proved:
        return f"nobody has seen its answers; figures: {module.cost.source}"
    if module.cost.basis == "estimated":
        return f"figures: {module.cost.source}; answers proved by {module.executor}"
    return "instructions are WebAssembly's" if module.format == "wasm" else f"proved by {module.executor}"
