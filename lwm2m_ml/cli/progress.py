"""A progress bar on stderr while something goes on at the server; nothing where stderr is no terminal."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lwm2m_ml.cli.output import console
from lwm2m_ml.errors import Lwm2mMlError

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas import Job

POLL_SECONDS = 0.5


def watch(title: str, steps: Iterator[tuple[float, str]]) -> None:
    """Show each step, a part from 0 to 1 and what goes on, until there are no more."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    errors = console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task(title, total=1.0)
        for part, activity in steps:
            progress.update(task, completed=part, description=f"{title}: {activity}" if activity else title)


def until(look: Callable[[], tuple[bool, float, str]]) -> Iterator[tuple[float, str]]:
    """The steps of something that is looked at again and again until it has ended."""
    while True:
        ended, part, activity = look()
        yield part, activity
        if ended:
            return
        time.sleep(POLL_SECONDS)


def wait_for_job(client: "Client", job: "Job") -> "Job":
    """Wait until a job has ended; raises `Lwm2mMlError` when it did not end well."""

    def look() -> tuple[bool, float, str]:
        nonlocal job
        job = client.job(job.id)
        return job.ended_at is not None, job.progress, job.activity

    watch(job.subject, until(look))
    if job.state != "done":
        raise Lwm2mMlError(f"The {job.kind} {job.id} is {job.state}: {job.error.rstrip('.')}")
    return job
