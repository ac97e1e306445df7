"""`lwm2m-ml requests`: operations that wait until their device is awake (`devices read … --later` and the like)."""

from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.devices import EndpointArgument
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas import DeviceRequest

app = typer.Typer(help="Operations that wait for sleeping devices: list, show and cancel them.", no_args_is_help=True)

NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="What `--later` printed.")]
COLUMNS = ("NUMBER", "OPERATION", "PATHS", "STATE", "OUTCOME")


@app.command("list")
def list_requests(
    endpoint: EndpointArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the requests of a device, oldest first."""
    with connect(server, token) as client:
        found = client.requests(endpoint)
    if as_json:
        print_models(found)
    else:
        print_table(COLUMNS, [_row(request) for request in found])


@app.command("show")
def show(
    number: NumberArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show where a request stands, and its outcome."""
    with connect(server, token) as client:
        request = client.request(number)
    if as_json:
        print_json(request.model_dump(mode="json"))
    else:
        print_table(COLUMNS, [_row(request)])


@app.command("cancel")
def cancel(
    number: NumberArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a waiting request back."""
    with connect(server, token, dry_run=dry_run) as client:
        client.cancel_request(number)
    print_done(as_json)


def _row(request: "DeviceRequest") -> tuple[object, ...]:
    values = " ".join(f"{value.path}={value.value}" for value in request.values)
    outcome = request.error or values or request.text or None
    return request.number, request.operation, " ".join(request.paths) or None, request.state, outcome
