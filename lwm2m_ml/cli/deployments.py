"""`lwm2m-ml deploy` and `lwm2m-ml deployments`: put a model on devices and watch it arrive."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_json, print_models, print_table
from lwm2m_ml.cli.progress import until, watch
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas import Deployment

app = typer.Typer(help="Deployments: where each device stands.", no_args_is_help=True)

FINAL_STATES = frozenset({"active", "refused", "failed"})
COLUMNS = ("DEVICE", "TARGET", "VARIANT", "MODULE B", "RAM B", "INSTRUCTIONS", "OTA B", "OTA S", "STATE", "REASON")


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model of the zoo.")],
    to: Annotated[str, typer.Option("--to", help="Endpoints, separated by commas, or `all`.")] = "all",
    wait: Annotated[bool, typer.Option(help="Wait until every device is active or refused.")] = True,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a model on devices: choose a variant for each, compile, sign, deliver, try, confirm."""
    endpoints = "all" if to == "all" else [name.strip() for name in to.split(",") if name.strip()]
    with connect(server, token, dry_run=dry_run) as client:
        deployment = client.deploy(model, endpoints)
        if wait:
            deployment = _wait(client, deployment)
    _print(deployment, as_json)
    if wait and any(device.state == "failed" for device in deployment.devices):
        raise typer.Exit(1)


@app.command("list")
def list_deployments(
    server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """List the deployments, oldest first."""
    with connect(server, token) as client:
        found = client.deployments()
    if as_json:
        print_models(found)
        return
    rows = [(one.id, one.model, one.version, moment(one.created_at), len(one.devices), one.finished) for one in found]
    print_table(("ID", "MODEL", "VERSION", "BEGUN", "DEVICES", "FINISHED"), rows)


@app.command("show")
def show(
    deployment_id: Annotated[str, typer.Argument(metavar="ID", help="What `lwm2m-ml deploy` printed.")],
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show where each device of a deployment stands."""
    with connect(server, token) as client:
        deployment = client.deployment(deployment_id)
    _print(deployment, as_json)


def _wait(client: "Client", deployment: "Deployment") -> "Deployment":
    def look() -> tuple[bool, float, str]:
        nonlocal deployment
        deployment = client.deployment(deployment.id)
        tally = Counter(device.state for device in deployment.devices)
        ended = sum(count for state, count in tally.items() if state in FINAL_STATES)
        states = ", ".join(f"{count} {state}" for state, count in sorted(tally.items()))
        return deployment.finished, ended / len(deployment.devices), states

    watch(f"Deploying {deployment.model}", until(look))
    return deployment


def _print(deployment: "Deployment", as_json: bool) -> None:
    if as_json:
        print_json(deployment.model_dump(mode="json"))
        return
    typer.echo(f"Deployment {deployment.id}: {deployment.model} {deployment.version}")
    rows = [
        (
            device.endpoint,
            device.target,
            device.variant,
            device.module_bytes,
            device.ram_bytes,
            device.instructions,
            device.ota_bytes,
            device.ota_seconds,
            device.state,
            device.reason,
        )
        for device in deployment.devices
    ]
    print_table(COLUMNS, rows)
