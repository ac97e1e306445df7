"""Runs a scenario from the command line: against a server somewhere in real time, or with one in virtual time."""

import asyncio
import contextlib
import resource
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.errors import UsageError
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.cli.dashboard import Dashboard
from lwm2m_ml_simulator.cli.figures import DeploymentCost, KindFigures, figures
from lwm2m_ml_simulator.scenario.fleet import FleetDescription
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner
from lwm2m_ml_simulator.trace.recorder import Recorder
from lwm2m_ml_simulator.virtual.run import run_virtually
from lwm2m_ml_simulator.virtual.servers import load_server

_SPARE_FILES = 256
_KEPT_INFERENCES = 100
_TICK = 0.25
_FOREVER = 3_650 * 86_400.0
"""How long a fleet to which nothing happens stays on, unless somebody interrupts."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked for beside the scenario. Times in seconds."""

    server: str
    virtual_server: str
    duration: float | None
    join_interval: float
    workers: int | None
    record: Path | None
    trust_anchors: Sequence[VerificationKey]
    deploy: str | None
    shown: bool


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How it ended; `elapsed` in seconds of the fleet's own time."""

    elapsed: float
    kinds: list[KindFigures]
    events: dict[str, int]
    executed: int
    taken_over: int
    deployment: DeploymentCost | None


def run_scenario(fleet: FleetDescription, options: RunOptions) -> RunOutcome:
    """Run until the duration is over, all events are, or the user interrupts; raises UsageError."""
    allow_sockets(fleet.size)
    if not fleet.virtual:
        if options.deploy is not None:
            raise UsageError("--deploy works in virtual time", hint="Deploy with the server's own command in real time")
        return asyncio.run(_run(fleet, options, options.server, options.trust_anchors))
    if options.duration is None and fleet.duration is None:
        raise UsageError("In virtual time a run needs an end", hint="Give --duration, or `duration` in the scenario")
    return run_virtually(_run_with_server(fleet, options), seed=fleet.seed)


def allow_sockets(devices: int) -> None:
    """Let this process open a socket for each device; raises UsageError when the system does not let it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = devices + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        hint = f"Raise the hard limit (ulimit -Hn {wanted}) or simulate fewer devices"
        raise UsageError(f"{devices:,} devices need {wanted:,} open files, the limit is {hard:,}", hint=hint)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run_with_server(fleet: FleetDescription, options: RunOptions) -> RunOutcome:
    start = load_server(options.virtual_server)
    with tempfile.TemporaryDirectory(prefix="lwm2m-sim-") as directory:
        async with start(Path(directory)) as server, _operator(server) as operator:
            anchors = list(options.trust_anchors)
            if operator is not None:
                anchors.append(VerificationKey.from_pem((await operator.trust_anchor()).pem.encode("ascii")))
            return await _run(fleet, options, server.uri, anchors, operator)


@asynccontextmanager
async def _operator(server: Any) -> AsyncIterator[AsyncClient | None]:
    """A client of the server's API, where it is this project's."""
    api = getattr(server, "api", None)
    if api is None:
        yield None
        return
    async with AsyncClient("http://simulation", server.token, transport=httpx.ASGITransport(api)) as client:
        yield client


async def _run(
    fleet: FleetDescription,
    options: RunOptions,
    uri: str,
    anchors: Sequence[VerificationKey],
    operator: AsyncClient | None = None,
) -> RunOutcome:
    loop = asyncio.get_running_loop()
    began = loop.time()
    runner = FleetRunner(
        fleet,
        uri,
        trust_anchors=anchors,
        join_interval=options.join_interval,
        workers=options.workers,
        kept_inferences=_KEPT_INFERENCES,
    )
    recorder = Recorder(options.record) if options.record is not None else None
    if recorder is not None:
        for endpoint, device in runner.participants.items():
            recorder.attach(endpoint, device.radio)
    costs: list[DeploymentCost] = []
    dashboard = Dashboard(runner, virtual=fleet.virtual, shown=options.shown)
    try:
        async with runner:
            with dashboard:
                end = asyncio.create_task(_end(runner, fleet, options, operator, costs))
                while not end.done():
                    dashboard.elapsed = loop.time() - began
                    await asyncio.wait({end}, timeout=_TICK if not fleet.virtual else max(_TICK, _step(fleet, options)))
                await end
                dashboard.elapsed = loop.time() - began
            if options.shown:
                dashboard.print()
                dashboard.print_deployment(costs)
            return _outcome(runner, dashboard.elapsed, costs)
    finally:
        if recorder is not None:
            recorder.close()


def _step(fleet: FleetDescription, options: RunOptions) -> float:
    """In virtual time the view is brought up to date a thousand times, however long the run is."""
    return (options.duration or fleet.duration or 0.0) / 1000.0


async def _end(
    runner: FleetRunner,
    fleet: FleetDescription,
    options: RunOptions,
    operator: AsyncClient | None,
    costs: list[DeploymentCost],
) -> None:
    """Return when the run is over: its time is up, its events are, or somebody interrupts."""
    duration = options.duration or fleet.duration
    if duration is None and not fleet.virtual and not fleet.events:
        duration = _FOREVER
    tasks = [asyncio.create_task(runner.run(duration))]
    if not fleet.virtual:
        tasks.append(asyncio.create_task(_interrupted()))
    if options.deploy is not None and operator is not None:
        tasks.append(asyncio.create_task(_deploy(runner, operator, options.deploy, costs)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _deploy(runner: FleetRunner, operator: AsyncClient, model: str, costs: list[DeploymentCost]) -> None:
    """Deploy once everybody has registered, and note what that cost until the last device came to its end."""
    loop = asyncio.get_running_loop()
    await runner.all_joined()
    while runner.registered < runner.fleet.size:  # noqa: ASYNC110 - a client that reboots has another event
        await asyncio.sleep(1.0)
    began, before = loop.time(), _spent(runner)
    deployment = await operator.deploy(model, "all")
    while not deployment.finished:
        await asyncio.sleep(10.0)
        deployment = await operator.deployment(deployment.id)
    after = _spent(runner)
    states = Counter(row.state for row in deployment.devices)
    joules = {kind: round(after[kind] - before[kind], 3) for kind in after}
    costs.append(DeploymentCost(round(loop.time() - began, 1), dict(states), joules))
    await loop.create_future()


def _spent(runner: FleetRunner) -> dict[str, float]:
    """What one device of each kind has spent until now, in joules, where the kind has a radio."""
    elapsed = asyncio.get_running_loop().time()
    return {one.kind: one.joules for one in figures(runner, elapsed) if one.joules is not None}


async def _interrupted() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def _outcome(runner: FleetRunner, elapsed: float, costs: Sequence[DeploymentCost]) -> RunOutcome:
    outcomes = runner.pool.outcomes
    return RunOutcome(
        round(elapsed, 3),
        figures(runner, elapsed),
        dict(runner.director.tally),
        outcomes.executed,
        outcomes.taken_over,
        costs[0] if costs else None,
    )
