"""`lwm2m-ml federated`: let devices learn together from examples that stay on them, watch and steer it."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.cli.plan_file import read_plan
from lwm2m_ml.cli.steering import IdArgument, Steering, WaitOption
from lwm2m_ml.cli.wanted import FilterOption, GroupOption, ModelArgument, ToOption, wanted
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas.federated import FederatedRun

app = typer.Typer(
    help="Federated learning: devices train the last layers of a model together; their inputs stay where they are.",
    no_args_is_help=True,
)


def _command(client: "Client", run_id: str, members: dict[str, Any]) -> "FederatedRun":
    from lwm2m_ml.client.schemas.federated import FederatedCommand

    return client.command_federated(run_id, FederatedCommand(**members))


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


steering: "Steering[FederatedRun]" = Steering(
    look=lambda client, run_id: client.federated_run(run_id),
    story=lambda client, run_id, after: client.federated_story(run_id, after),
    command=_command,
    show=_print,
)


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
    model: ModelArgument,
    to: ToOption = "",
    group: GroupOption = "",
    filter: FilterOption = "",
    plan: Annotated[Path | None, typer.Option("--plan", help="TOML file with the plan; see docs/federated.md.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Rounds that count.")] = None,
    share: Annotated[float | None, typer.Option("--share", help="Share of the devices asked in a round.")] = None,
    noise: Annotated[float | None, typer.Option("--noise", help="Noise multiplier; 0 for none.")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="The longest update that is taken.")] = None,
    name: Annotated[str, typer.Option("--name", help="A name for people.")] = "",
    wait: WaitOption = False,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Start a federated run; without --to, --group and --filter it is for every registered device."""
    from lwm2m_ml.client.schemas.federated import FederatedRequest

    request = FederatedRequest(
        **wanted(model, to, group, filter), plan=_plan(plan, rounds, share, noise, clip), name=name
    )
    with connect(server, token, dry_run=dry_run) as client:
        steering.begun(client, client.start_federated(request), wait=wait, as_json=as_json)


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


steering.add_show(app, "Show where a run stands, what it waits for, and what it has cost in privacy.")


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


steering.add_story(app, "Tell what happened to a run, line by line: when, who, what.")


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


steering.add_command(app, "pause", "Open no further round until `resume`; the one under way goes on to its end.")
steering.add_command(app, "resume", "Go on after a pause; rounds that did not count are forgotten.")
steering.add_command(app, "cancel", "End a run now; what was learnt in rounds that are over stays on record.")


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
