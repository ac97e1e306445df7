"""`lwm2m-ml demo`: the whole service with a simulated fleet, from registration to results."""

import asyncio
import json
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lwm2m_ml_simulator.demonstration.report import DeviceReport
    from lwm2m_ml_simulator.demonstration.server_process import ServerAddress

DEFAULT_IMAGES = 100
SERVER_LOG = "server.log"
# Columns of the table in a file or a pipe, which have no width of their own.
FILE_WIDTH = 144


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout; logs go to stderr.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave server, fleet and API up until Ctrl-C.")] = False,
    fleet: Annotated[Path | None, typer.Option(help="Describe the fleet with another file.")] = None,
    images: Annotated[int, typer.Option(min=1, max=600, help="Test images shown to each device.")] = DEFAULT_IMAGES,
) -> None:
    """Carry one model through the whole service, on a simulated fleet of microcontrollers."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-demo-") as directory:
        reports = asyncio.run(_demonstrate(Path(directory), fleet, images, as_json=as_json, keep=keep, started=started))
    from lwm2m_ml_simulator.demonstration.report import is_as_promised

    if not all(is_as_promised(report, images=images) for report in reports):
        raise typer.Exit(1)


async def _demonstrate(
    directory: Path, fleet_file: Path | None, images: int, *, as_json: bool, keep: bool, started: float
) -> "list[DeviceReport]":
    from lwm2m_ml.client.client import AsyncClient
    from lwm2m_ml.logs import configure_logging
    from lwm2m_ml_simulator.demonstration.progress import ProgressReport
    from lwm2m_ml_simulator.demonstration.server_process import server_process
    from lwm2m_ml_simulator.demonstration.story import carry, simulated_fleet
    from lwm2m_ml_simulator.inputs.digits import load_digits_split
    from lwm2m_ml_simulator.scenario.fleet import load_fleet

    configure_logging(level="warning")
    profiles = load_fleet(fleet_file).profiles
    test = load_digits_split().test
    log = None if as_json else directory / SERVER_LOG
    async with server_process(directory / "data", log=log) as server, AsyncClient(server.api, server.token) as client:
        trust_anchor = (await client.trust_anchor()).pem.encode("ascii")
        async with simulated_fleet(profiles, server, trust_anchor, test, images) as devices:
            with ProgressReport() as progress:
                reports = await carry(client, devices, test, images, progress)
            _print(reports, time.monotonic() - started, as_json)
            if keep:
                await _until_interrupted(server)
    return reports


def _print(reports: "list[DeviceReport]", seconds: float, as_json: bool) -> None:
    from rich.console import Console

    from lwm2m_ml_simulator.demonstration.report import as_json as json_of
    from lwm2m_ml_simulator.demonstration.report import as_table, reasons, summary

    if as_json:
        typer.echo(json.dumps(json_of(reports, seconds)))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    console.print(as_table(reports))
    for line in (*reasons(reports), summary(reports, seconds)):
        console.print(line, markup=False, soft_wrap=True)


async def _until_interrupted(server: "ServerAddress") -> None:
    typer.echo("\nServer, fleet and API stay up until Ctrl-C. In another terminal:", err=True)
    typer.echo(f"  export LWM2M_ML_SERVER={server.api} LWM2M_ML_TOKEN={server.token}", err=True)
    typer.echo("  lwm2m-ml devices list", err=True)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
