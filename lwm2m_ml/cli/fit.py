"""`lwm2m-ml fit`: every way to put a model on devices, and why the others do not fit."""

from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas.fit import FitAnswer

COLUMNS = (
    "VARIANT",
    "BACKEND",
    "PLAN",
    "ACCURACY %",
    "FLASH B",
    "RAM B",
    "OTA B",
    "INSTRUCTIONS",
    "MS",
    "J",
    "CACHED",
    "FITS",
)


def fit_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the zoo: NAME or NAME:VERSION.")],
    device: Annotated[str, typer.Option("--device", help="Endpoint client name of one device.")] = "",
    group: Annotated[str, typer.Option("--group", help="The devices of a group.")] = "",
    filter: Annotated[str, typer.Option("--filter", help="The devices that a filter lets through.")] = "",
    target: Annotated[str, typer.Option("--target", help="A bare target, see `lwm2m-ml targets list`.")] = "",
    minimum_accuracy: Annotated[float | None, typer.Option("--min-accuracy", help="Percent.")] = None,
    maximum_latency: Annotated[float | None, typer.Option("--max-latency", help="Milliseconds.")] = None,
    maximum_energy: Annotated[float | None, typer.Option("--max-energy", help="Joules for an inference.")] = None,
    maximum_bytes: Annotated[int | None, typer.Option("--max-bytes", help="Bytes over the air.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compare all variants, backends and optimisations of a model on devices: sizes, time, energy, what is missing."""
    from lwm2m_ml.client.schemas.fit import FitRequest

    name, _, version = model.partition(":")
    request = FitRequest(
        model=name,
        version=version or None,
        endpoint=device or None,
        group=group or None,
        filter=filter or None,
        target=target or None,
        minimum_accuracy=minimum_accuracy,
        maximum_latency=maximum_latency,
        maximum_energy=maximum_energy,
        maximum_bytes=maximum_bytes,
    )
    with connect(server, token) as client:
        answer = client.fit(request)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        _print(answer)
    if any(survey.chosen is None for survey in answer.surveys):
        raise typer.Exit(1)


def _print(answer: "FitAnswer") -> None:
    for survey in answer.surveys:
        who = f"{survey.endpoints[0]} and {len(survey.endpoints) - 1} alike" if survey.endpoints else "the target alone"
        typer.echo(f"{answer.model} {answer.version} on {survey.target} ({who}): {survey.reason}")
        rows = [
            (
                one.variant,
                one.backend,
                one.plan,
                one.accuracy,
                one.flash_bytes,
                one.ram_bytes,
                one.package_bytes,
                one.instructions,
                one.latency,
                one.energy,
                one.cached,
                one.fits,
            )
            for one in survey.options
        ]
        print_table(COLUMNS, rows)
        for one in survey.options:
            for shortfall, change in zip(one.shortfalls, one.changes, strict=True):
                typer.echo(f"  {one.variant}, {one.backend}, {one.plan}: {shortfall}; would help: {change}")
    for endpoint in answer.unknown:
        typer.echo(f"{endpoint}: nothing is known of a runtime")
    typer.echo(f"{answer.compilations} compilations")
