"""`lwm2m-ml targets`: the microcontrollers and cores that modules can be made for."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.compiling import find_target
from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.compiler.targets import Target

app = typer.Typer(help="Compile targets: cores and microcontrollers.", no_args_is_help=True)


@app.command("list")
def list_targets(as_json: JsonOption = False) -> None:
    """List the shipped targets, cores first."""
    from lwm2m_ml.compiler.targets import shipped_targets

    targets = tuple(shipped_targets().values())
    if as_json:
        print_json([_as_json(target) for target in targets])
        return
    rows = [
        (
            target.name,
            target.core,
            target.flash_bytes,
            target.ram_bytes,
            None if target.clock_hz is None else target.clock_hz // 1_000_000,
            target.can_compile,
            target.proof.value,
        )
        for target in targets
    ]
    print_table(("TARGET", "CORE", "FLASH B", "RAM B", "MHZ", "COMPILES", "PROVED BY"), rows)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="The name of a target.")], as_json: JsonOption = False) -> None:
    """Show all that is known of a target."""
    _print(find_target(name), as_json)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A target's TOML file.")], as_json: JsonOption = False
) -> None:
    """Check a target file of your own and show how it is understood; ends with 1 when it is not valid."""
    from lwm2m_ml.compiler.targets import read_target_file

    _print(read_target_file(file), as_json)


def _print(target: "Target", as_json: bool) -> None:
    if as_json:
        print_json(_as_json(target))
        return
    print_table(("FACT", "VALUE"), [(name, _shown(value)) for name, value in _as_json(target).items()])


def _as_json(target: "Target") -> dict[str, Any]:
    return asdict(target)


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(str(_shown(each)) for each in value) or None
    return value
