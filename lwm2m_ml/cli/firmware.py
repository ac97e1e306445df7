"""`lwm2m-ml firmware`: base firmware that modules are built into, for devices that take nothing but whole images."""

import uuid
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

app = typer.Typer(help="Base firmware of device classes.", no_args_is_help=True)

VendorOption = Annotated[str, typer.Option(help="Vendor identifier of the devices, a UUID (42769/x/25).")]
ClassOption = Annotated[str, typer.Option("--class", help="Class identifier of the devices, a UUID (42769/x/26).")]


@app.command("add")
def add(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The base firmware as it is flashed, a raw binary.")],
    vendor: VendorOption,
    class_id: ClassOption,
    rtos: Annotated[str, typer.Option(help="What it is made with, for example `zephyr 4.1`.")],
    slot_address: Annotated[str, typer.Option(help="Where in the image the module begins, for example 0x20000.")],
    name: Annotated[str | None, typer.Option(help="Its name [that of the file]")] = None,
    firmware_version: Annotated[str, typer.Option(help="Its version.")] = "1.0.0",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep the base firmware of a class; from the next deployment on, modules are built into it."""
    from lwm2m_ml.client.delivery_calls import add_firmware

    call = add_firmware(
        _read(image),
        vendor=_uuid(vendor),
        class_id=_uuid(class_id),
        name=name or image.stem,
        version=firmware_version,
        rtos=rtos,
        slot_address=_address(slot_address),
    )
    with connect(server, token, dry_run=dry_run) as client:
        added = client.send(call)
    if as_json:
        print_json(added.model_dump(mode="json"))
    else:
        typer.echo(f"{added.name} {added.version}: modules of class {added.class_id} begin at {added.slot_address:#x}")


@app.command("list")
def list_firmware(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the base firmware there is."""
    from lwm2m_ml.client.delivery_calls import firmware

    with connect(server, token) as client:
        found = client.send_all(firmware())
    if as_json:
        print_models(found)
        return
    rows = [
        (one.name, one.version, one.rtos, f"{one.slot_address:#x}", one.vendor, one.class_id, moment(one.created_at))
        for one in found
    ]
    print_table(("NAME", "VERSION", "RTOS", "MODULE AT", "VENDOR", "CLASS", "ADDED"), rows)


@app.command("remove")
def remove(
    vendor: VendorOption,
    class_id: ClassOption,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forget the base firmware of a class."""
    from lwm2m_ml.client.delivery_calls import remove_firmware

    with connect(server, token, dry_run=dry_run) as client:
        client.send(remove_firmware(_uuid(vendor), _uuid(class_id)))
    print_done(as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise UsageError(f"{text!r} is no UUID", hint="`lwm2m-ml devices profile ENDPOINT` shows a device's") from None


def _address(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"{text!r} is no address", hint="For example 0x20000") from None
