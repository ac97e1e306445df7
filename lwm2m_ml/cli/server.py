"""`lwm2m-ml server`: the server itself."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_facts, print_json
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="The server: whether it works, and who it takes you for.", no_args_is_help=True)


@app.command("status")
def status(
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    require_ready: Annotated[bool, typer.Option("--ready", help="End with 1 unless it takes work.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show whether the server works, where devices reach it, and what your token lets you do."""
    with connect(server, token) as client:
        facts = {"server": server, **client.health().model_dump()}
        if require_ready:
            facts["ready"] = client.ready().ready
        if client.has_token:
            caller = client.caller()
            facts |= {"caller": caller.name, "scope": caller.scope}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@app.command("trust-anchor")
def trust_anchor(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """Print the public key that devices check modules with, as PEM."""
    with connect(server, token) as client:
        anchor = client.trust_anchor()
    if as_json:
        print_json(anchor.model_dump())
    else:
        typer.echo(anchor.pem.strip())
