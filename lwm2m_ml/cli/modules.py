"""`lwm2m-ml modules` and `compilations`: what the server built for devices."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.jobs import print_job
from lwm2m_ml.cli.output import JsonOption, moment, print_facts, print_json, print_models, print_table
from lwm2m_ml.cli.progress import wait_for_job
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Modules that the server built and signed.", no_args_is_help=True)
compilations = typer.Typer(help="Compile at the server, ahead of a deployment.", no_args_is_help=True)


@app.command("list")
def list_modules(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the signed modules, oldest first."""
    with connect(server, token) as client:
        found = client.modules()
    if as_json:
        print_models(found)
        return
    rows = [
        (one.digest[:12], one.model, one.version, one.variant, one.target, one.package_bytes, moment(one.created_at))
        for one in found
    ]
    print_table(("DIGEST", "MODEL", "VERSION", "VARIANT", "TARGET", "PACKAGE B", "MADE"), rows)


@app.command("show")
def show(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The module's digest, all 64 digits.")],
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a module and what was measured of it."""
    with connect(server, token) as client:
        module = client.module(digest)
    if as_json:
        print_json(module.model_dump(mode="json"))
        return
    shown = {name: value for name, value in module.facts.items() if isinstance(value, str | int | float)}
    print_facts(module.model_dump(exclude={"facts", "created_at"}) | {"made": moment(module.created_at)} | shown)


@compilations.command("add")
def compile_variant(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the zoo.")],
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="One of its variants.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="From `lwm2m-ml targets list`.")],
    wait: Annotated[bool, typer.Option(help="Wait until it is compiled.")] = True,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compile a variant for a target, and show what was measured on the emulated processor."""
    with connect(server, token, dry_run=dry_run) as client:
        job = client.compile_variant(model, variant, target)
        print_job(wait_for_job(client, job) if wait else job, as_json)
