"""`lwm2m-ml backends`: the compilers that are installed, and the suite that a new one has to pass."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.compiling import find_target
from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.compiler.backends.registry import BrokenBackend, InstalledBackend

app = typer.Typer(help="Compilers behind the plugin interface.", no_args_is_help=True)


@app.command("list")
def list_backends(as_json: JsonOption = False) -> None:
    """List the installed backends, and those that are installed and do not work."""
    from lwm2m_ml.compiler.backends.registry import installed_backends

    backends = installed_backends()
    if as_json:
        print_json([_as_json(backend) for backend in backends])
        return
    print_table(("BACKEND", "FORMATS", "TYPES", "VERSION", "FROM", "WHAT"), [_row(backend) for backend in backends])


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="The name of an installed backend.")],
    target: Annotated[str, typer.Option("--target", "-t", help="For this target; the first served if not given.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", help="How long one answer may take.", min=0.1)] = 60.0,
    memory: Annotated[int, typer.Option("--memory", help="MiB of memory that it may use.", min=64)] = 2048,
    as_json: JsonOption = False,
) -> None:
    """Try a backend on small models and compare every answer; ends with 1 when a check fails."""
    from lwm2m_ml.compiler.backends.conformance import Outcome, check_backend
    from lwm2m_ml.compiler.backends.isolation import Limits

    chosen = find_target(target) if target else None
    checks = list(check_backend(name, chosen, Limits(seconds=seconds, memory_bytes=memory << 20)))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_table(("CHECK", "OUTCOME", "DETAIL"), [(each.name, str(each.outcome), each.detail) for each in checks])
    failed = sum(each.outcome is Outcome.FAILED for each in checks)
    unproved = sum(each.outcome is Outcome.UNPROVED for each in checks)
    if failed or unproved:
        typer.echo(f"{failed} of {len(checks)} checks failed, {unproved} modules could not be proved.", err=True)
    raise typer.Exit(1 if failed else 0)


def _row(backend: "InstalledBackend | BrokenBackend") -> tuple[object, ...]:
    from lwm2m_ml.compiler.backends.registry import BrokenBackend

    if isinstance(backend, BrokenBackend):
        return (backend.name, None, None, None, backend.distribution, f"broken: {backend.problem}")
    declared = backend.declaration
    formats, types = ", ".join(declared.formats), ", ".join(declared.data_types)
    return (backend.name, formats, types, declared.version, backend.distribution, declared.summary)


def _as_json(backend: "InstalledBackend | BrokenBackend") -> dict[str, Any]:
    from lwm2m_ml.compiler.backends.registry import BrokenBackend

    facts: dict[str, Any] = {"name": backend.name, "distribution": backend.distribution}
    if isinstance(backend, BrokenBackend):
        return {**facts, "problem": backend.problem}
    return {**facts, "isolated": backend.isolated, **asdict(backend.declaration)}
