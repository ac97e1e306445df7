"""`lwm2m-ml devices`: what is registered, and LwM2M operations on it."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Devices: list them, read, write and execute their resources.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]
PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="LwM2M path, such as /3/0 or /3/0/1.")]


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


@app.command("read")
def read(
    endpoint: EndpointArgument,
    path: PathArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read an object, object instance, resource or resource instance from a device."""
    with connect(server, token) as client:
        values = client.read(endpoint, path)
    if as_json:
        print_models(values)
    else:
        print_table(("PATH", "TYPE", "VALUE"), [(value.path, value.type, str(value.value)) for value in values])


@app.command("write")
def write(
    endpoint: EndpointArgument,
    path: PathArgument,
    value: Annotated[str, typer.Argument(help="The value; opaque values in base64, object links as 3:0.")],
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
) -> None:
    """Write one resource of a device."""
    with connect(server, token) as client:
        client.write(endpoint, path, value)


@app.command("exec")
def execute(
    endpoint: EndpointArgument,
    path: PathArgument,
    arguments: Annotated[str, typer.Argument(help="Arguments, such as 0='reboot',1.")] = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
) -> None:
    """Execute a resource of a device."""
    with connect(server, token) as client:
        client.execute(endpoint, path, arguments)
