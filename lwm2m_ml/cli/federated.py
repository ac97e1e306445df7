"""`lwm2m-ml federated`: let devices learn together from examples that stay on them, watch and steer it."""

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.cli.plan_file import read_plan
from lwm2m_ml.cli.story_lines import print_story
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas.federated import FederatedRun

app = typer.Typer(
    help="Federated learning: devices train the last layers of a model together; their inputs stay where they are.",
    no_args_is_help=True,
)

POLL_SECONDS = 0.5
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="What `federated start` printed, see `federated list`.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the run's story.")]


@app.command("prepare")
def prepare(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file whose last layers are fully connected.")],
    layers: Annotated[int, typer.Option("--layers", min=1, max=100, help="So many of the last layers.")] = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="MODEL-trainable.onnx if not given.")] = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="Samples to quantise with: .npz, .npy or .csv.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a model as one that devices train, after a look whether its layers can be trained. No server is asked."""
    from lwm2m_ml.cli.compiling import read_calibration_file, read_model_file
    from lwm2m_ml.compiler.training.marking import marked_trainable

    content, parameters = marked_trainable(read_model_file(model), layers, read_calibration_file(calibration))
    written = output or model.with_name(f"{model.stem}-trainable.onnx")
    try:
        written.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{written} cannot be written", hint=str(error)) from error
    if as_json:
        print_json({"model": str(written), "layers": layers, "parameters": parameters})
        return
    typer.echo(f"{written}: devices train {parameters:,} parameters of the last {layers} layers")


@app.command("start")
def start(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the zoo: NAME, or NAME:VERSION or alias.")],
    to: Annotated[
        str, typer.Option("--to", help="Endpoints, separated by commas; instead of --group or --filter.")
    ] = "",
    group: Annotated[str, typer.Option("--group", help="A group; see `lwm2m-ml groups`.")] = "",
    filter: Annotated[str, typer.Option("--filter", help="A filter such as 'target=nrf52840 tag=oslo'.")] = "",
    plan: Annotated[Path | None, typer.Option("--plan", help="TOML file with the plan; see docs/federated.md.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Rounds that count.")] = None,
    share: Annotated[float | None, typer.Option("--share", help="Share of the devices asked in a round.")] = None,
    noise: Annotated[float | None, typer.Option("--noise", help="Noise multiplier; 0 for none.")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="The longest update that is taken.")] = None,
    name: Annotated[str, typer.Option("--name", help="A name for people.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow the story until the run is over.")] = False,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Start a federated run; without --to, --group and --filter it is for every registered device."""
    from lwm2m_ml.client.schemas.federated import FederatedRequest

    chosen, _, version = model.partition(":")
    request = FederatedRequest(
        model=chosen,
        version=version or None,
        endpoints=[one.strip() for one in to.split(",") if one.strip()] or None,
        group=group or None,
        filter=filter or None,
        plan=_plan(plan, rounds, share, noise, clip),
        name=name,
    )
    with connect(server, token, dry_run=dry_run) as client:
        run = client.start_federated(request)
        if wait:
            run = _follow(client, run.id, as_json=as_json)
        _print(run, as_json)
    if wait and run.state != "finished":
        raise typer.Exit(1)


@app.command("list")
def list_runs(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the runs, oldest first."""
    with connect(server, token) as client:
        found = client.federated_runs()
    if as_json:
        print_models(found)
        return
    rows = [
        (one.id, one.name, f"{one.model} {one.version}", one.state, f"{one.round}/{one.rounds}", one.devices)
        for one in found
    ]
    print_table(("ID", "NAME", "MODEL", "STATE", "ROUND", "DEVICES"), rows)


@app.command("show")
def show(
    run_id: IdArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Show where a run stands, what it waits for, and what it has cost in privacy."""
    with connect(server, token) as client:
        _print(client.federated_run(run_id), as_json)


@app.command("rounds")
def rounds(
    run_id: IdArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Show what each round brought and cost."""
    with connect(server, token) as client:
        found = client.federated_rounds(run_id)
    if as_json:
        print_models(found)
        return
    rows = [
        (
            one.number,
            "yes" if one.counted else "no",
            f"{one.accepted}/{one.asked}",
            one.rejected,
            None if one.loss is None else f"{one.loss:.4f}",
            None if one.step_norm is None else f"{one.step_norm:.4f}",
            None if one.epsilon is None else f"{one.epsilon:.3g}",
            one.bytes_down,
            one.bytes_up,
            None if one.joules is None else f"{one.joules:.3g}",
        )
        for one in found
    ]
    print_table(
        ("ROUND", "COUNTS", "ANSWERED", "REJECTED", "LOSS", "STEP", "EPSILON", "DOWN B", "UP B", "JOULES"), rows
    )


@app.command("devices")
def devices(
    run_id: IdArgument,
    number: Annotated[int, typer.Option("--round", min=0, help="A round; the newest one if not given.")] = 0,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what became of each device in a round; rejected updates are named with the reason."""
    with connect(server, token) as client:
        chosen = number or _newest(client, run_id)
        found = client.federated_answers(run_id, chosen)
    if as_json:
        print_models(found)
        return
    rows = [
        (
            one.endpoint,
            one.outcome,
            one.examples,
            None if one.loss is None else f"{one.loss:.4f}",
            one.bytes_down,
            one.bytes_up,
            one.instructions,
            None if one.joules is None else f"{one.joules:.3g}",
            one.reason,
        )
        for one in found
    ]
    print_table(("DEVICE", "OUTCOME", "EXAMPLES", "LOSS", "DOWN B", "UP B", "INSTRUCTIONS", "JOULES", "REASON"), rows)


@app.command("story")
def story(
    run_id: IdArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the run is over.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what happened to a run, line by line: when, who, what."""
    with connect(server, token) as client:
        if follow:
            _follow(client, run_id, as_json=as_json)
        else:
            _tell(client, run_id, 0, as_json=as_json)


@app.command("weights")
def weights(
    run_id: IdArgument,
    number: Annotated[int | None, typer.Option("--round", min=1, help="After this round; else the newest.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="ID.npy if not given.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Save the parameters that were learnt, as a NumPy file."""
    import numpy

    with connect(server, token) as client:
        found = client.federated_weights(run_id, number)
    written = output or Path(f"{run_id}.npy")
    try:
        numpy.save(written, numpy.frombuffer(base64.b64decode(found.content), "<f4"), allow_pickle=False)
    except OSError as error:
        raise UsageError(f"{written} cannot be written", hint=str(error)) from error
    if as_json:
        print_json({"parameters": found.parameters, "file": str(written)})
        return
    typer.echo(f"{found.parameters:,} parameters in {written}")


@app.command("pause")
def pause(
    run_id: IdArgument,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open no further round until `resume`; the one under way goes on to its end."""
    with connect(server, token, dry_run=dry_run) as client:
        _command(client, run_id, as_json, command="pause", reason=reason)


@app.command("resume")
def resume(
    run_id: IdArgument,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Go on after a pause; rounds that did not count are forgotten."""
    with connect(server, token, dry_run=dry_run) as client:
        _command(client, run_id, as_json, command="resume", reason=reason)


@app.command("cancel")
def cancel(
    run_id: IdArgument,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a run now; what was learnt in rounds that are over stays on record."""
    with connect(server, token, dry_run=dry_run) as client:
        _command(client, run_id, as_json, command="cancel", reason=reason)


def _command(client: "Client", run_id: str, as_json: bool, **members: Any) -> None:
    from lwm2m_ml.client.schemas.federated import FederatedCommand

    _print(client.command_federated(run_id, FederatedCommand(**members)), as_json)


def _newest(client: "Client", run_id: str) -> int:
    """The number of the newest round that is over."""
    found = client.federated_rounds(run_id)
    return found[-1].number if found else 1


def _plan(
    file: Path | None, rounds: int | None, share: float | None, noise: float | None, clip: float | None
) -> dict[str, Any]:
    """The plan in a file, with what the options say in its place."""
    plan = read_plan(file)
    if rounds is not None:
        plan["rounds"] = rounds
    for table, member, value in (("sampling", "share", share), ("privacy", "noise", noise), ("privacy", "clip", clip)):
        if value is not None:
            plan.setdefault(table, {})[member] = value
    return plan


def _follow(client: "Client", run_id: str, *, as_json: bool) -> "FederatedRun":
    """Tell the story as it happens, until the run is over."""
    last = 0
    while True:
        found = client.federated_run(run_id)
        last = _tell(client, run_id, last, as_json=as_json)
        if found.finished:
            return found
        time.sleep(POLL_SECONDS)


def _tell(client: "Client", run_id: str, after: int, *, as_json: bool) -> int:
    """Print the lines after a number; returns the last one's number."""
    return print_story(client.federated_story(run_id, after), after, as_json=as_json)


def _print(run: "FederatedRun", as_json: bool) -> None:
    if as_json:
        print_json(run.model_dump(mode="json"))
        return
    typer.echo(f"Federated run {run.id}{f' ({run.name})' if run.name else ''}: {run.model} {run.version}")
    typer.echo(f"  for      {run.selection}, {run.devices:,} devices; {run.parameters:,} parameters of {run.variant}")
    typer.echo(f"  state    {run.state}, {run.round} of {run.rounds} rounds are over")
    if run.last is not None and run.last.loss is not None:
        typer.echo(f"  loss     {run.last.loss:.4f} in round {run.last.number}, as devices told")
    if run.epsilon is not None:
        typer.echo(f"  privacy  ε = {run.epsilon:.3g} for δ = {run.delta:g}, of a whole device")
    else:
        typer.echo("  privacy  no noise, so no ε; inputs stay on the devices")
    if run.diagnosis:
        typer.echo(f"  now      {run.diagnosis}")
