"""Long work: how far it is, until it is done."""

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import html, ui

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas import Job
from lwm2m_ml.errors import UnavailableError

POLL_SECONDS = 0.4
LONGEST_SECONDS = 3_600.0

State = tuple[float, str, bool]
"""From 0 to 1, what goes on, and whether it is over."""


async def waited_for(state: Callable[[], Awaitable[State]]) -> None:
    """Show in a dialog how far something is, and return when it is over; closing the dialog does not stop it."""
    with ui.dialog(value=True).props("persistent") as dialog, ui.card().classes("panel").style("min-width: 320px"):
        text = ui.label("Beginning").props('role="status"')
        bar = ui.linear_progress(0.0, show_value=False).props('aria-label="Progress"')
    try:
        for _ in range(int(LONGEST_SECONDS / POLL_SECONDS)):
            share, words, over = await state()
            bar.set_value(share)
            text.set_text(words)
            if over:
                return
            await asyncio.sleep(POLL_SECONDS)
    finally:
        dialog.close()
        dialog.delete()


class JobBar:
    """A job's progress in the page itself."""

    def __init__(self, name: str) -> None:
        with html.div().classes("row-of") as self._row:
            ui.label(name).style("min-width: 120px; font-weight: 600")
            self._bar = ui.linear_progress(0.0, show_value=False).classes("grow").style("min-width: 120px")
            self._bar.props(f'aria-label="Progress of {name}"')
            self._text = ui.label("waiting").classes("muted small").props('role="status"')

    async def follow(self, client: AsyncClient, job: Job) -> Job:
        """Show a job until it is over; raises `UnavailableError` with its reason when it failed."""
        while job.ended_at is None:
            self._bar.set_value(max(job.progress, 0.05))
            self._text.set_text(job.activity or job.state)
            await asyncio.sleep(POLL_SECONDS)
            job = await client.job(job.id)
        self._bar.set_value(1.0)
        self._text.set_text(job.state)
        if job.state != "done":
            raise UnavailableError(f"{job.subject}: {job.error or job.state}".rstrip("."), hint="Choose another target")
        return job
