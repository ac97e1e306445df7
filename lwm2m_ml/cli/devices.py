"""`lwm2m-ml devices`: what is registered."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Devices: list them, read, write and execute their resources.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]


@app.command("list")
def list_devices(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the registered devices."""
    with connect(server, token) as client:
        devices = client.devices()
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
def show(endpoint: EndpointArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "") -> None:
    """Show one device, as JSON."""
    with connect(server, token) as client:
        print_json(client.device(endpoint).model_dump(mode="json"))
