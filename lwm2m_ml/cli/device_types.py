"""`lwm2m-ml device-types`: devices that have the standard objects alone, described by the operator."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Devices that do not tell what they can do: say it for them.", no_args_is_help=True)


@app.command("list")
def list_types(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the device types."""
    with connect(server, token) as client:
        found = client.device_types()
    if as_json:
        print_models(found)
        return
    rows = [
        (
            one.name,
            one.manufacturer,
            one.model_number,
            one.hardware_version,
            one.target,
            one.slots,
            one.storage_bytes,
            one.memory_bytes,
        )
        for one in found
    ]
    columns = ("TYPE", "MANUFACTURER", "MODEL", "HARDWARE", "TARGET", "SLOTS", "STORAGE B", "RAM B")
    print_table(columns, rows)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the type.")],
    target: Annotated[str, typer.Option("--target", help="What to compile for; see `lwm2m-ml targets list`.")],
    storage: Annotated[int, typer.Option("--storage", help="Bytes of room for one module.")],
    memory: Annotated[int, typer.Option("--memory", help="Bytes of RAM that a module may use.")],
    manufacturer: Annotated[str, typer.Option(help="Pattern for resource 3/0/0, such as 'ACME*'.")] = "*",
    model: Annotated[str, typer.Option(help="Pattern for resource 3/0/1, the model number.")] = "*",
    hardware: Annotated[str, typer.Option(help="Pattern for resource 3/0/18, the hardware version.")] = "*",
    slots: Annotated[int, typer.Option(help="Instances of Software Management, or 1.")] = 1,
    clock: Annotated[float | None, typer.Option(help="Clock in Hz, if not that of the target.")] = None,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what devices can do that have objects 9 or 5 alone; they count as known when they register next."""
    from lwm2m_ml.client.schemas.fit import DeviceType

    described = DeviceType(
        name=name,
        target=target,
        storage_bytes=storage,
        memory_bytes=memory,
        manufacturer=manufacturer,
        model_number=model,
        hardware_version=hardware,
        slots=slots,
        clock_hz=clock,
    )
    with connect(server, token, dry_run=dry_run) as client:
        added = client.add_device_type(described)
    if as_json:
        print_json(added.model_dump(mode="json"))
    else:
        typer.echo(f"Devices of {manufacturer} {model} {hardware} are {name}: {target}")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the type.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forget a device type."""
    with connect(server, token, dry_run=dry_run) as client:
        client.remove_device_type(name)
    print_done(as_json)
