"""`lwm2m-ml objects`: object definitions, shipped ones and the operator's own; works without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.errors import NotFoundError

if TYPE_CHECKING:
    from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition

app = typer.Typer(help="LwM2M object definitions: list, show, validate and add them.", no_args_is_help=True)

DirectoryOption = Annotated[
    Path | None, typer.Option("--data-directory", help="Where the server keeps its data.", show_default=False)
]
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Definition files (OMA DDF XML).")]


@app.command("list")
def list_objects(data_directory: DirectoryOption = None, as_json: JsonOption = False) -> None:
    """List the objects that the server knows: the shipped ones and those that were added."""
    catalogue = _catalogue(data_directory)
    rows = [
        (definition.object_id, version, definition.name, len(definition.resources), definition.urn)
        for newest in catalogue
        for version in catalogue.versions(newest.object_id)
        if (definition := catalogue.get(newest.object_id, version)) is not None
    ]
    columns = ("id", "version", "name", "resources", "urn")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        shown = [(str(row[0]), *row[1:]) for row in rows]
        print_table(tuple(column.upper() for column in columns), shown)


@app.command("show")
def show(
    object_id: Annotated[int, typer.Argument(metavar="OBJECT", help="Number of the object.")],
    version: Annotated[str | None, typer.Option("--object-version", help="The newest if not given.")] = None,
    data_directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an object and its resources."""
    definition = _catalogue(data_directory).get(object_id, version)
    if definition is None:
        wanted = f"{object_id} {version}" if version else f"{object_id}"
        raise NotFoundError(f"Object {wanted} is not defined", hint="Add its file with `lwm2m-ml objects add FILE`")
    if as_json:
        print_json(_document(definition))
        return
    typer.echo(f"{definition.object_id} {definition.name} {definition.version} ({definition.urn})")
    if definition.description:
        typer.echo(definition.description)
    rows = [
        (
            str(resource.resource_id),
            resource.name,
            str(resource.operations) or None,
            resource.type.value or None,
            "multiple" if resource.multiple else "single",
            "mandatory" if resource.mandatory else "optional",
            resource.range_text or None,
            resource.units or None,
        )
        for resource in definition.resources.values()
    ]
    print_table(("ID", "NAME", "OPERATIONS", "TYPE", "INSTANCES", "PRESENCE", "RANGE", "UNITS"), rows)


@app.command("validate")
def validate(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Check definition files by the rules of OMA's schema; exit code 1 when there is something wrong."""
    from lwm2m_ml.lwm2m.ddf import validate as findings_of
    from lwm2m_ml.lwm2m.own_definitions import read_file

    findings = [finding for file in files for finding in findings_of(read_file(file), file.name)]
    if as_json:
        print_json([{"where": finding.where, "problem": finding.problem} for finding in findings])
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(f"{len(files)} checked, {len(findings)} found wrong", err=True)
    if findings:
        raise typer.Exit(1)


@app.command("add")
def add(
    files: FilesArgument,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what was added before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files, and keep nothing.")] = False,
    data_directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check definition files and keep them for the server, which reads them at its next start."""
    from lwm2m_ml.lwm2m.own_definitions import add_file

    folder = _folder(data_directory)
    added = [one for file in files for one in add_file(folder, file, replace=replace, keep=not dry_run)]
    if as_json:
        print_json([{"id": one.object_id, "name": one.name, "version": one.version} for one in added])
    else:
        for one in added:
            typer.echo(f"{one.object_id} {one.name} {one.version}")
    if not dry_run:
        typer.echo(f"Kept in {folder}; a running server reads them when it starts again", err=True)


def _folder(data_directory: Path | None) -> Path:
    from lwm2m_ml.config import Settings
    from lwm2m_ml.lwm2m.own_definitions import FOLDER

    return (data_directory or Settings().data_directory) / FOLDER


def _catalogue(data_directory: Path | None) -> "Catalogue":
    from lwm2m_ml.config import Settings
    from lwm2m_ml.lwm2m.own_definitions import whole_catalogue

    return whole_catalogue(_folder(data_directory), Settings().objects.chosen)


def _document(definition: "ObjectDefinition") -> dict[str, object]:
    return {
        "id": definition.object_id,
        "name": definition.name,
        "version": definition.version,
        "lwm2m_version": definition.lwm2m_version,
        "urn": definition.urn,
        "multiple": definition.multiple,
        "mandatory": definition.mandatory,
        "description": definition.description,
        "resources": [
            {
                "id": resource.resource_id,
                "name": resource.name,
                "operations": str(resource.operations),
                "type": resource.type.value,
                "multiple": resource.multiple,
                "mandatory": resource.mandatory,
                "range": resource.range_text,
                "units": resource.units,
                "description": resource.description,
            }
            for resource in definition.resources.values()
        ],
    }
