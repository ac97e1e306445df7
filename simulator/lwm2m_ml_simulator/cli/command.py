"""`lwm2m-sim`: simulated LwM2M devices for any server, as many as are wanted and as unlucky as real ones."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.errors import Lwm2mMlError, UsageError

if TYPE_CHECKING:
    from lwm2m_ml_simulator.scenario.fleet import FleetDescription

DEFAULT_SERVER = "coap://127.0.0.1:5683"
app = typer.Typer(
    name="lwm2m-sim",
    help="Simulated LwM2M devices for any server, as many as you want and as unlucky as real ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ScenarioArgument = Annotated[Path, typer.Argument(help="The scenario file (TOML).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@app.command()
def run(
    scenario: ScenarioArgument,
    server: Annotated[str, typer.Option(help="Where the devices register, in real time.")] = DEFAULT_SERVER,
    virtual: Annotated[
        bool | None, typer.Option("--virtual/--real", help="Whose time; by default what the scenario says.")
    ] = None,
    virtual_server: Annotated[str, typer.Option(help="The server that runs along in virtual time.")] = "lwm2m-ml",
    duration: Annotated[str | None, typer.Option(help="When to stop, such as 90s or 1d.")] = None,
    deploy: Annotated[str | None, typer.Option(help="In virtual time: deploy this model when all are there.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write a pcap file for each device into this folder.")] = None,
    trust_anchor: Annotated[
        list[Path] | None, typer.Option(help="PEM of a key whose modules the devices accept; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    join_interval: Annotated[float, typer.Option(min=0, help="Seconds between two devices' first power-on.")] = 0.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that emulate processors.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error; on stderr.")] = "error",
    as_json: JsonOption = False,
) -> None:
    """Switch a fleet on and watch it, until Ctrl-C or the end of the scenario."""
    from lwm2m_ml.logs import configure_logging
    from lwm2m_ml_simulator.cli.running import RunOptions, run_scenario

    configure_logging(level=_level(log_level))
    fleet = _load(scenario, seed)
    if virtual is not None:
        fleet = dataclasses.replace(fleet, virtual=virtual)
    options = RunOptions(
        server=server,
        virtual_server=virtual_server,
        duration=_duration(duration),
        join_interval=join_interval,
        workers=workers,
        record=record,
        trust_anchors=[_key(path) for path in trust_anchor or ()],
        deploy=deploy,
        shown=not as_json,
    )
    outcome = run_scenario(fleet, options)
    if as_json:
        _print_json(dataclasses.asdict(outcome))


@app.command()
def check(scenario: ScenarioArgument, as_json: JsonOption = False) -> None:
    """Check a scenario file and say what is in it."""
    fleet = _load(scenario, None)
    facts = {
        "name": fleet.name,
        "devices": len(fleet.profiles),
        "clients": len(fleet.plain),
        "events": len(fleet.events),
        "time": "virtual" if fleet.virtual else "real",
        "duration": fleet.duration,
        "seed": fleet.seed,
    }
    if as_json:
        _print_json(facts)
        return
    typer.echo(
        f"{fleet.name}: {len(fleet.profiles):,} devices with a microcontroller, {len(fleet.plain):,} without, "
        f"{len(fleet.events):,} events, {facts['time']} time, seed {fleet.seed}"
    )


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from lwm2m_ml_simulator.scenario.fleet import FleetFile

    _print_json(FleetFile.model_json_schema())


@app.command()
def replay(
    trace: Annotated[Path, typer.Argument(help="A pcap file that `run --record` wrote.")],
    server: Annotated[str | None, typer.Option(help="Send it to this server; without, only show it.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="How many times as fast as it was.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Show what a device and its server said, or let the device say it again to a server."""
    import asyncio

    from lwm2m_ml.logs import configure_logging
    from lwm2m_ml_simulator.cli.traces import conversation, print_conversation, print_replayed
    from lwm2m_ml_simulator.trace.reader import read_trace
    from lwm2m_ml_simulator.trace.replay import replay as replay_trace

    configure_logging(level="error")
    recorded = read_trace(trace)
    if server is None:
        if as_json:
            _print_json(conversation(recorded))
        else:
            print_conversation(recorded)
        return
    replayed = asyncio.run(replay_trace(recorded, server, speed=speed))
    if as_json:
        _print_json([dataclasses.asdict(answer) | {"alike": answer.alike} for answer in replayed])
    else:
        print_replayed(replayed)
    if not all(answer.alike for answer in replayed):
        raise typer.Exit(1)


@app.command()
def energy(
    full: Annotated[int, typer.Option(min=1, help="Bytes of the whole package.")],
    delta: Annotated[int | None, typer.Option(min=1, help="Bytes of the delta package.")] = None,
    target: Annotated[str, typer.Option(help="The microcontroller.")] = "nrf52840",
    radio: Annotated[str, typer.Option(help="The radio; `lwm2m-sim radios` lists them.")] = "ieee802154",
    loss: Annotated[float, typer.Option(min=0, max=0.9, help="The share of datagrams that get lost.")] = 0.0,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Runs to take the mean of.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Compare what an update costs one device: block by block, windowed, TCP; whole or as a delta."""
    from lwm2m_ml.logs import configure_logging
    from lwm2m_ml_simulator.cli.costs import as_facts, assumptions, compared, print_costs

    configure_logging(level="error")
    comparison = compared(full, delta, target, radio, loss=loss, runs=runs)
    if as_json:
        _print_json({"assumptions": assumptions(comparison), "costs": as_facts(comparison)})
    else:
        print_costs(comparison)


@app.command()
def radios() -> None:
    """List the radios of the energy model, with the sources of their figures."""
    from lwm2m_ml_simulator.cli.costs import print_radios

    print_radios()


def main() -> None:
    """Run the command line. Exit code 2: wrong usage, 1: failure."""
    try:
        app()
    except Lwm2mMlError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def _load(scenario: Path, seed: int | None) -> "FleetDescription":
    from lwm2m_ml_simulator.scenario.fleet import load_fleet

    return load_fleet(scenario, seed=seed)


def _duration(text: str | None) -> float | None:
    from lwm2m_ml_simulator.scenario.values import read_duration

    if text is None:
        return None
    try:
        return read_duration(int(text) if text.isdigit() else text)
    except ValueError as error:
        raise UsageError(f"--duration {text}: {error}") from error


def _key(path: Path) -> Any:
    from lwm2m_ml.module.signing import VerificationKey

    try:
        return VerificationKey.from_pem(path.read_bytes())
    except (OSError, ValueError, Lwm2mMlError) as error:
        raise UsageError(f"The trust anchor {path} cannot be read", hint=str(error)) from error


def _level(name: str) -> str:
    if name not in {"debug", "info", "warning", "error"}:
        raise UsageError(f"{name!r} is no log level", hint="There are debug, info, warning and error")
    return name


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
