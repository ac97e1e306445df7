"""The `lwm2m-ml` command: puts the groups of commands together and turns errors into sentences and exit codes."""

import os
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from lwm2m_ml import __version__
from lwm2m_ml.cli import (
    alarms,
    audit,
    backends,
    backups,
    bootstrap,
    campaigns,
    captures,
    compile,
    configurations,
    credentials,
    deployments,
    device_operations,
    device_types,
    devices,
    doctor,
    encryption_keys,
    events,
    explain,
    federated,
    firmware,
    fit,
    groups,
    inspect,
    jobs,
    keys,
    models,
    module,
    modules,
    objects,
    profiles,
    quantize,
    requests,
    results,
    run,
    serve,
    server,
    shrink,
    targets,
    tokens,
)
from lwm2m_ml.cli.profile_file import PROFILE_VARIABLE, choose
from lwm2m_ml.errors import Lwm2mMlError

DEBUG_VARIABLE = "LWM2M_ML_DEBUG"

app = typer.Typer(
    name="lwm2m-ml",
    help="TinyML as a Service over LwM2M: the right model on every microcontroller of a fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
devices.app.add_typer(device_operations.app)
app.add_typer(devices.app, name="devices")
app.add_typer(requests.app, name="requests")
app.add_typer(objects.app, name="objects")
app.add_typer(models.app, name="models")
app.command("results")(results.results)
app.command("feedback")(results.feedback)
app.add_typer(alarms.app, name="alarms")
app.add_typer(captures.app, name="captures")
app.add_typer(configurations.app, name="configurations")
app.add_typer(credentials.app, name="credentials")
app.add_typer(bootstrap.app, name="bootstrap")
app.add_typer(deployments.app, name="deployments")
app.add_typer(campaigns.app, name="campaigns")
app.add_typer(federated.app, name="federated")
app.add_typer(groups.app, name="groups")
app.add_typer(device_types.app, name="device-types")
app.command("fit")(fit.fit_model)
app.command("deploy")(deployments.deploy)
app.command("compile")(compile.compile_model)
app.command("explain")(explain.explain_model)
app.command("run")(run.run_module)
app.command("inspect")(inspect.inspect_model)
app.command("quantize")(quantize.quantize_model)
app.command("shrink")(shrink.shrink_model)
app.add_typer(targets.app, name="targets")
app.add_typer(module.app, name="module")
app.add_typer(keys.app, name="keys")
app.add_typer(encryption_keys.app, name="encryption-keys")
app.add_typer(firmware.app, name="firmware")
app.add_typer(backends.app, name="backends")
app.add_typer(modules.app, name="modules")
app.add_typer(modules.compilations, name="compilations")
app.add_typer(jobs.app, name="jobs")
app.add_typer(events.app, name="events")
app.add_typer(tokens.app, name="tokens")
app.add_typer(audit.app, name="audit")
app.add_typer(server.app, name="server")
app.add_typer(profiles.app, name="profiles")
app.add_typer(backups.app, name="backups")
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    profile: Annotated[
        str, typer.Option("--profile", envvar=PROFILE_VARIABLE, help="Speak to the server of this profile.")
    ] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """TinyML as a Service over LwM2M: the right model on every microcontroller of a fleet."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    choose(profile)


def add_installed_commands() -> None:
    """Add the commands of other installed packages (entry point group `lwm2m_ml.commands`)."""
    for entry_point in entry_points(group="lwm2m_ml.commands"):
        try:
            command = entry_point.load()
        except (ImportError, AttributeError) as error:
            typer.echo(
                f"Warning: the command {entry_point.name} ({entry_point.value}) does not load: {error}", err=True
            )
            continue
        app.command(entry_point.name)(command)


def main() -> None:
    """Run the command line; exit codes are in docs/cli.md, a traceback comes only with --debug."""
    add_installed_commands()
    try:
        app()
    except Lwm2mMlError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
