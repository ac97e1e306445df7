"""`lwm2m-ml devices`: what is registered."""

import itertools
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_facts, print_json, print_json_line, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Devices: list them, read, write and execute their resources.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]


@app.command("list")
def list_devices(
    pattern: Annotated[str, typer.Argument(metavar="[ENDPOINT]", help="Name or pattern, such as 'sensor-*'.")] = "",
    target: Annotated[str, typer.Option(help="Of this target, or pattern.")] = "",
    manufacturer: Annotated[str, typer.Option(help="Of this manufacturer, or pattern.")] = "",
    object_id: Annotated[int | None, typer.Option("--object", help="That have this object.")] = None,
    filter: Annotated[str, typer.Option(help="Conditions as groups have them, such as 'model=digits tag=oslo'.")] = "",
    alarmed: Annotated[bool, typer.Option("--alarmed", help="That have open alarms.")] = False,
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
        endpoint=pattern,
        target=target,
        manufacturer=manufacturer,
        object_id=object_id,
        filter=filter,
        alarmed=alarmed,
        sort=sort,
        limit=page,
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


@app.command("summary")
def summary(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """Count the registered devices: by target, by what they run, late ones, those with alarms."""
    with connect(server, token) as client:
        fleet = client.fleet()
    if as_json:
        print_json(fleet.model_dump())
        return
    print_facts(fleet.model_dump(exclude={"targets", "running"}))
    print_table(("TARGET", "DEVICES"), sorted(fleet.targets.items()))
    print_table(("RUNS", "DEVICES"), sorted(fleet.running.items()))


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


@app.command("history")
def history(
    endpoint: EndpointArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show when a device came and went, its traffic of the last four hours, and the campaigns it took part in."""
    with connect(server, token) as client:
        found, updates = client.history(endpoint), client.updates(endpoint)
    if as_json:
        print_json({**found.model_dump(), "updates": [one.model_dump(mode="json") for one in updates]})
        return
    print_table(("AT", "WHAT", ""), [(moment(one.at), one.what, one.detail) for one in found.events])
    print_table(
        ("FROM", "BYTES IN", "BYTES OUT"), [(moment(one.at), one.bytes_in, one.bytes_out) for one in found.traffic]
    )
    rows = [(one.campaign, one.model, one.version, one.device.state, one.device.diagnosis) for one in updates]
    print_table(("CAMPAIGN", "MODEL", "VERSION", "STATE", ""), rows)


@app.command("messages")
def messages(
    endpoint: EndpointArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show CoAP messages of a device since it is looked at; the first look begins the log."""
    import time

    number = 0
    with connect(server, token) as client:
        while True:
            for one in client.messages(endpoint, number):
                number = one.number
                if as_json:
                    print_json_line(one.model_dump())
                    continue
                way = "→" if one.inbound else "←"
                what = f"{way} {one.type} {one.code:<6} {one.path} {one.payload_bytes} B {one.payload[:32]}"
                typer.echo(f"{moment(one.at)} {what}")
            if not follow:
                return
            time.sleep(1.0)
