"""`lwm2m-ml audit`: who did what to which device."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="The audit log: who did what to which device. Needs an admin token.", no_args_is_help=True)


@app.command("list")
def list_acts(
    endpoint: Annotated[str, typer.Option(help="What was done to this device only.")] = "",
    caller: Annotated[str, typer.Option(help="What this caller did only, as the log names it.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the newest ones.")] = 50,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List what was done, newest first."""
    from lwm2m_ml.client.administration_calls import audit

    with connect(server, token) as client:
        found = client.send(audit(endpoint=endpoint, caller=caller, limit=limit)).items
    if as_json:
        print_models(found)
        return
    rows = [
        (
            moment(act.at),
            act.caller,
            act.action.partition(" ")[0],
            act.target,
            act.endpoint,
            str(act.status),
            act.address,
        )
        for act in found
    ]
    print_table(("AT", "WHO", "METHOD", "WHAT", "DEVICE", "STATUS", "FROM"), rows)
