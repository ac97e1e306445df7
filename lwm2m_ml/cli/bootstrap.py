"""`lwm2m-ml bootstrap`: what the bootstrap server gives to whom."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

app = typer.Typer(help="What devices get from the bootstrap server. Needs an admin token.", no_args_is_help=True)

PatternArgument = Annotated[str, typer.Argument(metavar="PATTERN", help="An endpoint name, or one like 'sensor-*'.")]


@app.command("list")
def list_configurations(
    server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """List the configurations, without keys."""
    with connect(server, token) as client:
        entries = client.bootstrap_configurations()
    if as_json:
        print_models(entries)
        return
    rows = [
        (
            one.pattern,
            len(one.configuration.records),
            one.configuration.issue,
            " ".join(one.configuration.delete),
            " ".join(one.configuration.nodes),
        )
        for one in entries
    ]
    print_table(("PATTERN", "VALUES", "ISSUES KEYS", "DELETES", "NODES"), rows)


@app.command("set")
def configure(
    pattern: PatternArgument,
    file: Annotated[
        Path, typer.Argument(help='JSON: {"records": SenML JSON, "delete": ["/"], "issue": true, "nodes": {...}}.')
    ],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give the configuration in a file to an endpoint, or to all that match a pattern."""
    from pydantic import ValidationError

    from lwm2m_ml.client.schemas.credentials import BootstrapConfiguration

    try:
        configuration = BootstrapConfiguration.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise UsageError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    with connect(server, token, dry_run=dry_run) as client:
        client.configure_bootstrap(pattern, configuration)
    print_done(as_json)


@app.command("remove")
def remove(
    pattern: PatternArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give nothing to a name or pattern any more."""
    with connect(server, token, dry_run=dry_run) as client:
        client.remove_bootstrap(pattern)
    print_done(as_json)
