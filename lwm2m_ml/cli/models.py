"""`lwm2m-ml models`: the zoo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas import Model

app = typer.Typer(help="The model zoo.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or NAME:VERSION or NAME:ALIAS.")]


@app.command("list")
def list_models(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the models in their newest versions, and their variants."""
    with connect(server, token) as client:
        models = client.models()
    if as_json:
        print_models(models)
        return
    print_table(("MODEL", "VERSION", "VARIANT", "WEIGHTS", "MACS", "ACCURACY %"), _rows(models))


@app.command("show")
def show(
    model: NameArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Show a model's card: what it is, its variants and figures, all its versions and their aliases."""
    name, _, version = model.partition(":")
    with connect(server, token) as client:
        found = client.model(name, version or None)
        versions = client.model_versions(name)
    if as_json:
        print_json({**found.model_dump(mode="json"), "versions": [one.version for one in versions]})
        return
    _print_card(found)
    known = [one.version + (f" ({', '.join(one.aliases)})" if one.aliases else "") for one in versions]
    typer.echo(f"  versions       {', '.join(known)}\n")
    print_table(("MODEL", "VERSION", "VARIANT", "WEIGHTS", "MACS", "ACCURACY %"), _rows([found]))
    for variant in found.variants:
        for metric, value in variant.metrics.items():
            typer.echo(f"{variant.name}: {metric} {value:g}")


@app.command("add")
def add(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A model file, or a folder with card.toml or MLmodel.")
    ],
    name: Annotated[str, typer.Option("--name", help="Its name, if SOURCE does not say it.")] = "",
    version: Annotated[str, typer.Option("--version", help="Its version, if SOURCE does not say it.")] = "",
    variant: Annotated[str, typer.Option("--variant", help="Name of the variant, where SOURCE has one.")] = "",
    labels: Annotated[str, typer.Option("--labels", help="Names of the classes, separated by commas.")] = "",
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="Inputs as .npz, for the quantiser.")
    ] = None,
    array: Annotated[str, typer.Option("--array", help="Name of the array in the .npz file.")] = "",
    accuracy: Annotated[float | None, typer.Option("--accuracy", help="Measured accuracy in percent.")] = None,
    description: Annotated[str, typer.Option("--description", help="What it is, in a sentence.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Its licence, as an SPDX identifier.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read SOURCE and print what would be added.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Add a version of a model: a file that the compiler reads, a folder with a card, or an MLflow model."""
    from lwm2m_ml.cli.model_sources import read_source, upload

    given: dict[str, Any] = {
        "name": name,
        "version": version,
        "variant": variant,
        "labels": [one.strip() for one in labels.split(",") if one.strip()],
        "accuracy": accuracy,
        "description": description,
        "licence": licence,
    }
    found = read_source(source, given, calibration, array)
    if dry_run:
        print_json(found.document)
        return
    with connect(server, token) as client:
        added = upload(client, found)
    if as_json:
        print_json(added.model_dump(mode="json"))
        return
    typer.echo(f"Added {added.name} {added.version}: {', '.join(one.name for one in added.variants)}")


@app.command("download")
def download(
    name: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="The model; without a version its champion.")],
    variant: Annotated[str, typer.Argument(help="The variant.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")],
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the file of a variant as it was added."""
    model, _, version = name.partition(":")
    with connect(server, token) as client:
        content = client.variant_file(model, variant, version or None)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise UsageError(f"Cannot write {output}: {error.strerror or error}") from None
    print_done(as_json, file=str(output), bytes=len(content))


@app.command("alias")
def alias(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model.")],
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as champion or candidate.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="What it names, a version or another alias.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Let it name nothing any more.")] = False,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let an alias name a version. `champion` is what is meant where no version is named."""
    from lwm2m_ml.errors import UsageError

    if remove == bool(version):
        raise UsageError("An alias is given a version, or removed", hint="Name a version, or say --remove")
    with connect(server, token, dry_run=dry_run) as client:
        if remove:
            client.remove_alias(model, alias)
            print_done(as_json)
            return
        named = client.set_alias(model, alias, version)
    if as_json:
        print_json(named.model_dump(mode="json"))
    else:
        typer.echo(f"{named.name}:{alias} is {named.version}")


@app.command("remove")
def remove(
    model: Annotated[str, typer.Argument(metavar="MODEL:VERSION", help="The version to forget.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forget a version of a model. One that a running campaign needs stays, and one that ships with the release."""
    from lwm2m_ml.errors import UsageError

    name, _, version = model.partition(":")
    if not version:
        raise UsageError(f"Which version of {name}?", hint=f"Say {name}:VERSION; `models show {name}` lists them")
    with connect(server, token, dry_run=dry_run) as client:
        client.remove_model(name, version)
    print_done(as_json)


def _rows(models: "list[Model]") -> list[tuple[object, ...]]:
    return [
        (model.name, model.version, variant.name, variant.weights, variant.macs, variant.accuracy)
        for model in models
        for variant in model.variants
    ]


def _print_card(model: "Model") -> None:
    typer.echo(f"{model.name} {model.version}: {model.description or 'no description'}")
    typer.echo(f"  licence        {model.licence or 'not stated'}")
    typer.echo(f"  data           {model.data or 'not stated'}")
    typer.echo(f"  preprocessing  {model.preprocessing or 'none stated'}")
    typer.echo(f"  labels         {', '.join(model.labels) or 'none'}")
