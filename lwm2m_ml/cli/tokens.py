"""`lwm2m-ml tokens`: who may call the server."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_done, print_json, print_models, print_table
from lwm2m_ml.cli.settings import read_settings
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="API tokens and their scopes. Needs an admin token.", no_args_is_help=True)

SECONDS_OF_A_DAY = 86_400.0


class ScopeName(StrEnum):
    """What a token may do: look, act on devices and models, or administer."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command("add")
def add(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What or whom it is for; the audit log shows it.")],
    scope: Annotated[ScopeName, typer.Option(help="What it may do.")] = ScopeName.VIEWER,
    days: Annotated[float | None, typer.Option(min=0.001, help="How long it is good [for ever]")] = None,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a token and show it, this once."""
    lifetime = None if days is None else days * SECONDS_OF_A_DAY
    with connect(server, token, dry_run=dry_run) as client:
        issued = client.issue_token(label, scope.value, expires_in=lifetime)
    if as_json:
        print_json({**issued.token.model_dump(), "secret": issued.secret})
        return
    typer.echo(f"Token {issued.token.id} of scope {issued.token.scope}, shown this once:", err=True)
    typer.echo(issued.secret)


@app.command("list")
def list_tokens(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the tokens, without what is secret of them."""
    with connect(server, token) as client:
        found = client.tokens()
    if as_json:
        print_models(found)
        return
    rows = [(one.id, one.label, one.scope, moment(one.created_at), moment(one.expires_at)) for one in found]
    print_table(("ID", "LABEL", "SCOPE", "MADE", "GOOD UNTIL"), rows)


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="From `lwm2m-ml tokens list`.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let nobody in with a token any more."""
    with connect(server, token, dry_run=dry_run) as client:
        client.revoke_token(token_id)
    print_done(as_json)


@app.command("recover")
def recover(
    label: Annotated[str, typer.Option(help="What the token is called; the audit log shows it.")] = "recovered",
    data_directory: Annotated[
        Path | None, typer.Option("--data-directory", help="Where the server keeps its data.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check that it would work, and make no token.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an admin token without one: for the user of the server, on its machine, when the last is lost."""
    from lwm2m_ml import recovery

    settings = read_settings(data_directory=data_directory)
    if dry_run:
        recovery.check(settings)
        print_json({"dry_run": True, "label": label, "scope": ScopeName.ADMIN.value})
        return
    secret = recovery.admin_token(settings, label)
    if as_json:
        print_json({"label": label, "scope": ScopeName.ADMIN.value, "secret": secret})
        return
    typer.echo("Admin token, shown this once; it holds at once. Revoke lost ones: lwm2m-ml tokens list", err=True)
    typer.echo(secret)
