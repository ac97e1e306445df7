"""`lwm2m-ml alarms`: what went wrong in the field."""

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas.monitoring import Alarm

app = typer.Typer(help="Alarms: drift and what else went wrong in the field.", no_args_is_help=True)

AlarmArgument = Annotated[str, typer.Argument(metavar="ID", help="The alarm's id, from `alarms list`.")]


@app.command("list")
def list_alarms(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List open alarms, newest first."""
    with connect(server, token) as client:
        found = client.alarms(only_open=not everything)
    if as_json:
        print_models(found)
        return
    rows = [(one.id, _time(one.raised_at), _state(one), one.endpoint or "all devices", one.message) for one in found]
    print_table(("ID", "RAISED", "STATE", "DEVICE", "WHAT"), rows)


@app.command("acknowledge")
def acknowledge(
    alarm_id: AlarmArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell the others that you have seen an alarm; it stays open until what it tells of is over."""
    with connect(server, token, dry_run=dry_run) as client:
        alarm = client.acknowledge_alarm(alarm_id)
    if as_json:
        print_json(alarm.model_dump(mode="json"))
        return
    typer.echo(f"Acknowledged by {alarm.acknowledged_by}: {alarm.message}")


def _state(alarm: "Alarm") -> str:
    if alarm.cleared_at is not None:
        return f"over since {_time(alarm.cleared_at)}"
    return f"seen by {alarm.acknowledged_by}" if alarm.acknowledged_by else "open"


def _time(at: float) -> str:
    return f"{datetime.datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"
