"""Jobs: work that takes longer than a request, with progress, a result that is kept, and a way to stop it.

A job is done by the process that was asked for it. The others know of it what the store and its events say, and pass on
that it is to be stopped. What a process had begun that is gone has failed: nobody goes on with it.
"""

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from lwm2m_ml.bus import Bus, NotOwner, Ownership, ProcessLost, SoleOwner
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.errors import ConflictError, Lwm2mMlError, NotFoundError, UnavailableError
from lwm2m_ml.store.jobs import JobRecord, JobRepository

log = structlog.get_logger(__name__)

RETENTION = 7 * 86400.0
MAXIMUM_RUNNING = 256
"""Jobs that may be under way; whoever asks for more is told to wait."""
INTERRUPTED = "The server that did it was restarted, or is gone"
CANCEL = "jobs.cancel"
AGAIN_SECONDS = 1.0


class JobState(StrEnum):
    """Where a job stands. Those that the end of their server interrupted have failed."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """One job: `progress` from 0 to 1, what it does at present, and its JSON `result` when it is done."""

    id: str
    kind: str
    subject: str
    caller: str
    created_at: float
    state: JobState = JobState.RUNNING
    progress: float = 0.0
    activity: str = ""
    result: Any = None
    error: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class JobChanged:
    """Told on the bus when a job went on or ended."""

    job: Job


Progress = Callable[[float, str], None]
"""Takes the part that is done, from 0 to 1, and what comes next."""
Work = Callable[[Progress], Awaitable[Any]]
"""Does the work of a job and returns its result, a JSON document."""


class Jobs:
    """Runs jobs and remembers them for a week."""

    def __init__(self, repository: JobRepository, bus: Bus, ownership: Ownership | None = None) -> None:
        """Each run of the service owns a name of its own, by which others ask for what it does."""
        self._repository = repository
        self._bus = bus
        self._ownership = ownership or SoleOwner()
        self._runner = f"jobs/{secrets.token_hex(8)}"
        self._running: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._elsewhere: dict[str, Job] = {}
        """What was told last of jobs of other processes that have not ended."""

    async def start(self) -> None:
        """Say of the jobs that the end of their server interrupted that it did, and forget old ones."""
        await self._ownership.claim(self._runner)
        self._bus.serve(CANCEL, self._cancel_for_another)
        self._bus.subscribe(JobChanged, self._changed_elsewhere, everywhere=True, here=False)
        self._bus.subscribe(ProcessLost, self._process_lost)
        await self._end_interrupted()
        await self._repository.delete_ended(time.time() - RETENTION)

    async def stop(self) -> None:
        """Stop all work; whoever asks later hears that the server was restarted."""
        tasks = list(self._tasks.values())
        self._tasks.clear()  # these end without a word of their own
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    async def begin(self, kind: str, subject: str, work: Work, *, caller: str) -> Job:
        """Start work and return its job at once. Raises `ConflictError` when too much is under way."""
        if len(self._tasks) >= MAXIMUM_RUNNING:
            raise ConflictError(f"{len(self._tasks)} jobs are under way", hint="Wait until some of them have ended")
        job = Job(secrets.token_hex(6), kind, subject, caller, time.time())
        self._running[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._run(job, work))
        await self._repository.put(self._to_record(job))
        return job

    async def get(self, job_id: str) -> Job:
        """Return a job as it stands; raises `NotFoundError`."""
        running = self._running.get(job_id)
        return self._known(await self._record(job_id)) if running is None else running

    async def newest(self, limit: int, before: tuple[float, str] | None = None) -> tuple[Job, ...]:
        """Return jobs, newest first, from before a creation time and id on."""
        records = await self._repository.newest(limit, before=before)
        return tuple(self._known(record) for record in records)

    async def cancel(self, job_id: str) -> Job:
        """Stop a job and return how it ended.

        Raises `NotFoundError`, `ConflictError` when it has ended already, and `UnavailableError` when the process that
        does it does not answer.
        """
        if job_id not in self._tasks:
            record = await self._record(job_id)
            if record.ended_at is None and record.runner != self._runner:
                await self._ask_to_cancel(record)
                return await self.get(job_id)
        return await self._cancel_here(job_id)

    async def _ask_to_cancel(self, record: JobRecord) -> None:
        try:
            await self._bus.ask(record.runner, CANCEL, {"id": record.id})
        except NotOwner as error:
            raise UnavailableError(
                f"The server that does the job {record.id} does not answer", hint="Try again in a few seconds"
            ) from error

    async def _cancel_for_another(self, asked: Document) -> Document:
        await self._cancel_here(asked["id"])
        return {}

    async def _cancel_here(self, job_id: str) -> Job:
        task = self._tasks.get(job_id)
        if task is None:
            job = await self.get(job_id)
            raise ConflictError(f"The job {job_id} is {job.state} already")
        task.cancel()
        await asyncio.wait((task,))
        return await self.get(job_id)

    async def forget_what_was_told(self) -> None:
        """Events of other processes were missed: of their jobs only what is stored holds."""
        self._elsewhere.clear()

    async def _changed_elsewhere(self, event: JobChanged) -> None:
        if event.job.ended_at is None:
            self._elsewhere[event.job.id] = event.job
        else:
            self._elsewhere.pop(event.job.id, None)

    async def _process_lost(self, event: ProcessLost) -> None:
        while True:
            try:
                await self._end_interrupted()
            except Lwm2mMlError as error:
                log.warning("jobs of a lost process are not ended yet", process=event.process, reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _end_interrupted(self) -> None:
        """End the jobs whose process is gone; of several that notice it, one does."""
        for record in await self._repository.unfinished():
            if record.runner == self._runner or await self._ownership.is_elsewhere(record.runner):
                continue
            ended_at = time.time()
            self._elsewhere.pop(record.id, None)
            if await self._repository.end(record.id, JobState.FAILED, INTERRUPTED, ended_at):
                log.warning("a job was interrupted", job=record.id, kind=record.kind)
                ended = dataclasses.replace(record, state=JobState.FAILED, error=INTERRUPTED, ended_at=ended_at)
                self._bus.publish(JobChanged(_from_record(ended)))

    async def _record(self, job_id: str) -> JobRecord:
        record = await self._repository.get(job_id)
        if record is None:
            raise NotFoundError(f"There is no job {job_id!r}")
        return record

    def _known(self, record: JobRecord) -> Job:
        """A job as whoever does it told it last."""
        running = self._running.get(record.id)
        if running is not None:
            return running
        if record.ended_at is not None:
            self._elsewhere.pop(record.id, None)
        return self._elsewhere.get(record.id) or _from_record(record)

    async def _run(self, job: Job, work: Work) -> None:
        def progress(part: float, activity: str) -> None:
            self._note(dataclasses.replace(self._running[job.id], progress=part, activity=activity))

        try:
            result = await work(progress)
        except asyncio.CancelledError:
            if job.id not in self._tasks:
                raise
            await self._end(job.id, state=JobState.CANCELLED, error="An operator cancelled it")
        except Lwm2mMlError as error:
            await self._end(job.id, state=JobState.FAILED, error=str(error))
        except Exception:
            log.exception("a job failed unexpectedly", job=job.id, kind=job.kind)
            await self._end(job.id, state=JobState.FAILED, error="The server failed; its log says more")
        else:
            await self._end(job.id, state=JobState.DONE, progress=1.0, result=result)

    async def _end(self, job_id: str, **changes: Any) -> None:
        """Persist first, then tell."""
        ended = dataclasses.replace(self._running[job_id], activity="", ended_at=time.time(), **changes)
        try:
            await self._repository.put(self._to_record(ended))
        except Lwm2mMlError as error:
            log.error("the end of a job could not be stored", job=job_id, reason=str(error))
        self._note(ended)
        self._running.pop(job_id, None)
        self._tasks.pop(job_id, None)

    def _note(self, job: Job) -> None:
        self._running[job.id] = job
        self._bus.publish(JobChanged(job))

    def _to_record(self, job: Job) -> JobRecord:
        return JobRecord(
            id=job.id,
            kind=job.kind,
            subject=job.subject,
            caller=job.caller,
            state=str(job.state),
            created_at=job.created_at,
            result=job.result,
            error=job.error,
            ended_at=job.ended_at,
            runner=self._runner,
        )


def _from_record(record: JobRecord) -> Job:
    return Job(
        id=record.id,
        kind=record.kind,
        subject=record.subject,
        caller=record.caller,
        created_at=record.created_at,
        state=JobState(record.state),
        progress=1.0 if record.state == JobState.DONE else 0.0,
        result=record.result,
        error=record.error,
        ended_at=record.ended_at,
    )
