"""`lwm2m-ml captures`: inputs from devices that may be asked for them."""

import datetime
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

app = typer.Typer(help="Captured inputs: who may be asked, and what was given.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]


@app.command("allow")
def allow(
    endpoint: EndpointArgument,
    per_day: Annotated[int, typer.Option(min=1, max=1_000, help="Inputs within 24 hours, at most.")] = 50,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a device be asked for inputs: raw data leaves it from now on."""
    with connect(server, token, dry_run=dry_run) as client:
        consent = client.allow_captures(endpoint, per_day)
    if as_json:
        print_json(consent.model_dump(mode="json"))
        return
    typer.echo(f"{consent.endpoint} may be asked for {consent.per_day} inputs a day")


@app.command("forbid")
def forbid(
    endpoint: EndpointArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a device for no more inputs, and forget those it gave."""
    with connect(server, token, dry_run=dry_run) as client:
        client.forbid_captures(endpoint)
    print_done(as_json)


@app.command("list")
def list_consents(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the devices that may be asked."""
    with connect(server, token) as client:
        found = client.capture_consents()
    if as_json:
        print_models(found)
        return
    rows = [
        (one.endpoint, one.per_day, one.granted_by, f"{datetime.datetime.fromtimestamp(one.granted_at):%Y-%m-%d %H:%M}")
        for one in found
    ]
    print_table(("ENDPOINT", "INPUTS A DAY", "ALLOWED BY", "SINCE"), rows)


@app.command("take")
def take(
    endpoint: EndpointArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have a device keep its next input and fetch it; prints the job that does it."""
    with connect(server, token, dry_run=dry_run) as client:
        job = client.capture(endpoint)
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    typer.echo(job.id)


@app.command("export")
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model whose inputs they are.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    since: Annotated[datetime.datetime | None, typer.Option(help="Only those captured since.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the captured inputs of a model, with the classes that feedback told, as a data set."""
    with connect(server, token) as client:
        content = client.captured_inputs(model, since=since.timestamp() if since else 0.0)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{output} cannot be written ({error.strerror or error})") from error
    if as_json:
        print_json({"file": str(output), "bytes": len(content)})
    else:
        typer.echo(f"{output}: {len(content):,} B")
