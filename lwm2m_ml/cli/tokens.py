"""`lwm2m-ml tokens`: who may call the server."""

from enum import StrEnum
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_done, print_json, print_models, print_table
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
