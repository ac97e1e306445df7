"""`lwm2m-ml jobs`: long work at the server."""

from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, moment, print_facts, print_json, print_models, print_table
from lwm2m_ml.cli.progress import wait_for_job
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas import Job

app = typer.Typer(help="Long work at the server: progress, results, and how to stop it.", no_args_is_help=True)

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="From `lwm2m-ml jobs list`.")]


@app.command("list")
def list_jobs(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the jobs of the last week, newest first."""
    with connect(server, token) as client:
        found = client.jobs()
    if as_json:
        print_models(found)
        return
    rows = [(job.id, job.kind, job.subject, job.state, f"{job.progress:.0%}", moment(job.created_at)) for job in found]
    print_table(("ID", "KIND", "SUBJECT", "STATE", "PROGRESS", "BEGUN"), rows)


@app.command("show")
def show(
    job_id: JobArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show where a job stands, and its result."""
    with connect(server, token) as client:
        print_job(client.job(job_id), as_json)


@app.command("wait")
def wait(
    job_id: JobArgument,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Wait until a job has ended; ends with 1 when it failed."""
    with connect(server, token) as client:
        print_job(wait_for_job(client, client.job(job_id)), as_json)


@app.command("cancel")
def cancel(
    job_id: JobArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop a job."""
    with connect(server, token, dry_run=dry_run) as client:
        print_job(client.cancel_job(job_id), as_json)


def print_job(job: "Job", as_json: bool) -> None:
    """One job with its result."""
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    facts = job.model_dump(exclude={"result", "created_at", "ended_at", "progress"})
    times = {"begun": moment(job.created_at), "ended": moment(job.ended_at), "progress": f"{job.progress:.0%}"}
    result = job.result if isinstance(job.result, dict) else {"result": job.result}
    print_facts(facts | times | {name: value for name, value in result.items() if not isinstance(value, list)})
