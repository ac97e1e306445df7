"""Long work that one node of a cluster drives at a time: begun, interrupted, and resumed where its ownership goes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import structlog

from lwm2m_ml.bus import Bus, Ownership, OwnershipGained, OwnershipLost, Subscription
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.store.fence import CAMPAIGNS

RESTART_SECONDS = 5.0
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Runner(Protocol):
    """One piece of work that is not over."""

    @property
    def id(self) -> str:
        """Its name in the store."""

    @property
    def state(self) -> str:
        """Where it stands."""

    @property
    def finished(self) -> bool:
        """Whether it is over."""

    async def drive(self) -> None:
        """Go on until it is over."""


AnyRunner = TypeVar("AnyRunner", bound=Runner)


class Driven(Generic[AnyRunner]):
    """The runners of this process by their ids, each in a task of its own. Whoever owns `CAMPAIGNS` has them."""

    def __init__(
        self,
        noun: str,
        bus: Bus,
        ownership: Ownership,
        *,
        resume: Callable[[], Awaitable[None]],
        over: Callable[[str], object],
        halted: Callable[[], object] = lambda: None,
    ) -> None:
        """`resume` begins all that the store has and that is not over; `over` and `halted` tell of ends.

        `noun` is for the log.
        """
        self._noun = noun
        self._bus = bus
        self._ownership = ownership
        self._resume = resume
        self._over = over
        self._halted = halted
        self._running: dict[str, AnyRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: tuple[Subscription, ...] = ()

    @property
    def here(self) -> bool:
        """Whether this process is the one that drives."""
        return self._ownership.has(CAMPAIGNS)

    def get(self, name: str) -> AnyRunner | None:
        """The runner of this id, if it is driven here and not over."""
        return self._running.get(name)

    def all(self) -> tuple[AnyRunner, ...]:
        """Every runner."""
        return tuple(self._running.values())

    async def start(self) -> None:
        """Go on with everything that is not over."""
        self._subscriptions = (
            self._bus.subscribe(OwnershipGained, self._gained),
            self._bus.subscribe(OwnershipLost, self._lost),
        )
        if self.here:
            await self._resume()

    async def stop(self) -> None:
        """Stop all work; what is not over goes on at the next start."""
        for subscription in self._subscriptions:
            subscription.cancel()
        await self._halt()

    def begin(self, runner: AnyRunner) -> None:
        """Drive a runner to its end, unless that is done already."""
        if runner.id not in self._running:
            self._running[runner.id] = runner
            self.spawn(self._drive(runner), name=f"{self._noun} {runner.id}")

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Do this beside the runners, for as long as they are driven here."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drive(self, runner: AnyRunner) -> None:
        """Whatever goes wrong with the store or with us, it goes on a moment later."""
        while not runner.finished:
            try:
                await runner.drive()
            except Exception:
                log.exception(f"{self._noun} interrupted", id=runner.id)
                await asyncio.sleep(RESTART_SECONDS)
        self._running.pop(runner.id, None)
        self._over(runner.id)
        log.info(f"{self._noun} over", id=runner.id, state=str(runner.state))

    async def _halt(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()
        self._halted()

    async def _gained(self, event: OwnershipGained) -> None:
        while event.name == CAMPAIGNS and self.here:
            try:
                await self._resume()
            except Lwm2mMlError as error:
                log.warning(f"{self._noun}s are not resumed yet", reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _lost(self, event: OwnershipLost) -> None:
        if event.name == CAMPAIGNS:
            log.warning(f"{self._noun}s are driven elsewhere", driven=len(self._running))
            await self._halt()
