"""`lwm2m-ml demo-fleet`: a campaign over a simulated fleet, whose first version is wrong in the field."""

import asyncio
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lwm2m_ml_simulator.rollout.story import FleetOutcome

FLEET = "campaign.toml"
SERVER_LOG = "server.log"
JOIN_INTERVAL = 0.02


def demo_fleet(
    fleet: Annotated[Path | None, typer.Option(help="Describe the fleet with another file.")] = None,
    story: Annotated[Path | None, typer.Option(help="Write the story to this file too.")] = None,
    server_log: Annotated[Path | None, typer.Option(help="Keep the server's log in this file.")] = None,
) -> None:
    """Roll a model out to 200 devices: the canary catches a bad version, the fixed one reaches all that fit."""
    from lwm2m_ml_simulator.rollout.story import broken_promises, tally

    began = time.monotonic()
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-demo-fleet-") as directory:
        outcome = asyncio.run(_play(Path(directory), fleet, server_log, lines))
    broken = broken_promises(outcome)
    ending = ["", *tally(outcome), *(f"NOT AS PROMISED: {one}" for one in broken)]
    ending.append(f"{'failed' if broken else 'as promised'} after {time.monotonic() - began:.0f} s")
    typer.echo("\n".join(ending))
    if story is not None:
        story.write_text("\n".join([*lines, *ending]) + "\n", "utf-8")
    if broken:
        raise typer.Exit(1)


async def _play(directory: Path, fleet_file: Path | None, server_log: Path | None, lines: list[str]) -> "FleetOutcome":
    from lwm2m_ml.client.client import AsyncClient
    from lwm2m_ml.logs import configure_logging
    from lwm2m_ml.module.signing import VerificationKey
    from lwm2m_ml_simulator.demonstration.server_process import ServerProcess
    from lwm2m_ml_simulator.rollout.story import play, told_to
    from lwm2m_ml_simulator.scenario.fleet import load_fleet, parse_fleet
    from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

    configure_logging(level="error")
    shipped = resources.files("lwm2m_ml_simulator") / "fleets" / FLEET
    description = load_fleet(fleet_file) if fleet_file else parse_fleet(shipped.read_text("utf-8"), FLEET)
    server = ServerProcess(directory / "data", log=server_log or directory / SERVER_LOG)
    try:
        where = await server.start()
        async with AsyncClient(where.api, where.token) as client, told_to(lines, typer.echo) as tell:
            anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode("ascii"))
            async with FleetRunner(description, where.coap, None, [anchor], join_interval=JOIN_INTERVAL) as runner:
                return await play(server, client, runner, tell)
    finally:
        await server.stop()
