"""`lwm2m-ml events`: what happens, as it happens."""

import itertools
import json
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_json_line
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="What happens at the server, as it happens.", no_args_is_help=True)


@app.command("follow")
def follow(
    types: Annotated[list[str] | None, typer.Option("--type", help="Events of this type only; repeatable.")] = None,
    endpoint: Annotated[str, typer.Option(help="Events of this device only.")] = "",
    after: Annotated[str, typer.Option("--after", help="Begin after the event with this id.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print events, one to a line; Ctrl-C ends it."""
    with connect(server, token) as client:
        events = client.events(types=types or (), endpoint=endpoint, last_event_id=after)
        for event in itertools.islice(events, count):
            if as_json:
                print_json_line(event.model_dump(mode="json"))
            else:
                data = json.dumps(event.data, ensure_ascii=False)
                typer.echo(f"{moment(event.at)}  {event.type}  {event.endpoint or '–'}  {data}")
