"""`lwm2m-ml doctor`: checks the installation, and says what to do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.cli.checks.finding import Finding

MARKS = {"ok": "✓ ok", "warning": "! warning", "failure": "✗ failure"}


def doctor(
    data_directory: Annotated[
        Path | None, typer.Option("--data-directory", help="Where the server keeps its data.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check toolchain, emulator, ports, database, keys and clock of this machine; ends with 1 when something fails.

    Run it as the user, with the settings and in the directory that the server is started with.
    """
    from lwm2m_ml.cli.checks.all import examine

    findings = [finding for check in examine(data_directory) for finding in check]
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        _print(findings)
    if any(finding.state == "failure" for finding in findings):
        raise typer.Exit(1)


def _print(findings: "list[Finding]") -> None:
    print_table(("CHECK", "STATE", "FOUND"), [(one.check, MARKS[one.state], one.found) for one in findings])
    for one in findings:
        if one.advice:
            typer.echo(f"{one.check}: {one.advice}.")
