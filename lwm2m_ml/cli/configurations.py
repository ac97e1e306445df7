"""`lwm2m-ml configurations`: how the models on a device are wired, and which of them run."""

from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.device_operations import BehindOption
from lwm2m_ml.cli.devices import EndpointArgument
from lwm2m_ml.cli.output import JsonOption, print_json, print_models
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas.configurations import ModelConfiguration, Wire

app = typer.Typer(help="How the models on a device are wired, and which of them run.", no_args_is_help=True)

SENSOR = "sensor"
WIRE = "LABEL=LINK[:EXPRESSION]"


@app.command("list")
def list_configurations(
    endpoint: EndpointArgument,
    behind: BehindOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how every model of a device is wired."""
    with connect(server, token) as client:
        found = client.configurations(endpoint, behind=behind)
    if as_json:
        print_models(found)
        return
    for one in found:
        _show(one)


@app.command("set")
def set_configuration(
    endpoint: EndpointArgument,
    slot: Annotated[int, typer.Argument(metavar="SLOT", min=0, max=65_534, help="The slot of the model.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar=WIRE, help="An input, of all that there are to be. LINK: `sensor`, or </3301/0/5700>."
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output", metavar=WIRE, help="An output, of all that there are to be.")
    ] = None,
    condition: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help="When the model runs; an empty text for always.")
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it runs at all.")] = None,
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Wire a model anew, or enable or disable it: no transfer, no reboot. What is not named stays as it is."""
    from lwm2m_ml.client.schemas.configurations import ConfigurationChange

    change = ConfigurationChange(
        inputs=[_wire(text) for text in inputs] if inputs else None,
        outputs=[_wire(text) for text in outputs] if outputs else None,
        condition=condition,
        enabled=enabled,
    )
    if change == ConfigurationChange():
        raise UsageError("Nothing to change is named", hint="See: lwm2m-ml configurations set --help")
    with connect(server, token, dry_run=dry_run) as client:
        now = client.configure(endpoint, slot, change, behind=behind)
    if as_json:
        print_json(now.model_dump(mode="json"))
        return
    _show(now)


def _wire(text: str) -> "Wire":
    """Read `LABEL=LINK[:EXPRESSION]`; an expression may hold any character."""
    label, equals, rest = text.partition("=")
    if rest.startswith("<"):
        link, closed, transform = rest.partition(">")
        link += closed
    else:
        link, colon, transform = rest.partition(":")
        transform = colon + transform
        if equals and link == SENSOR:
            link = ""
        else:
            equals = ""
    if not label or not equals or (transform and not transform.startswith(":")):
        raise UsageError(f"{text!r} is no wire", hint=f"{WIRE}, for example audio=sensor or wake=</42771/0/1>")
    from lwm2m_ml.client.schemas.configurations import Wire

    return Wire(label=label, link=link, transform=transform[1:])


def _show(one: "ModelConfiguration") -> None:
    model = f"{one.model} {one.version}".strip() or "no model"
    typer.echo(f"slot {one.slot}  {model}, {'enabled' if one.enabled else 'disabled'}")
    for what, wires in (("input", one.inputs), ("output", one.outputs)):
        for wire in wires:
            transform = f"  :  {wire.transform}" if wire.transform else ""
            typer.echo(f"  {what:9} {wire.label} = {wire.link or SENSOR}{transform}")
    if one.condition:
        typer.echo(f"  condition {one.condition}")
