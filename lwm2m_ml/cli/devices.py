"""`lwm2m-ml devices`: what is registered."""

import itertools
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_facts, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Devices: list them, read, write and execute their resources.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]


@app.command("list")
def list_devices(
    pattern: Annotated[str, typer.Argument(metavar="[ENDPOINT]", help="Name or pattern, such as 'sensor-*'.")] = "",
    target: Annotated[str, typer.Option(help="Of this target, or pattern.")] = "",
    manufacturer: Annotated[str, typer.Option(help="Of this manufacturer, or pattern.")] = "",
    object_id: Annotated[int | None, typer.Option("--object", help="That have this object.")] = None,
    sort: Annotated[str, typer.Option(help="endpoint, registered_at or last_seen; - before it turns it.")] = "endpoint",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the registered devices, all or those that fit."""
    from lwm2m_ml.client.call import LARGEST_PAGE
    from lwm2m_ml.client.device_calls import devices as call

    page = LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE)
    wanted = call(
        endpoint=pattern, target=target, manufacturer=manufacturer, object_id=object_id, sort=sort, limit=page
    )
    with connect(server, token) as client:
        devices = list(itertools.islice((device for one in client.pages(wanted) for device in one), limit))
    if as_json:
        print_models(devices)
        return
    rows = [
        (
            device.endpoint,
            device.profile.target if device.profile else None,
            device.lwm2m_version,
            device.binding,
            device.address,
            device.profile.storage_free if device.profile else None,
            device.profile.memory_total if device.profile else None,
        )
        for device in devices
    ]
    print_table(("ENDPOINT", "TARGET", "LWM2M", "BINDING", "ADDRESS", "STORAGE FREE B", "RAM B"), rows)


@app.command("show")
def show(
    endpoint: EndpointArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show one device: its registration, and what it told of itself."""
    with connect(server, token) as client:
        device = client.device(endpoint)
    if as_json:
        print_json(device.model_dump(mode="json"))
        return
    times = {"registered_at": moment(device.registered_at), "last_seen": moment(device.last_seen)}
    profile = {} if device.profile is None else device.profile.model_dump()
    print_facts(device.model_dump(exclude={"profile"}) | times | profile)
