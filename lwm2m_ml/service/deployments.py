"""All deployments: started, persisted at every change, resumed after a restart of the server."""

import asyncio
import dataclasses
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import Lwm2mMlError, NotFoundError
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.signals import DeviceSignals
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.deployment import Deployment, DeploymentChanged, DeploymentDevice, DeviceState
from lwm2m_ml.service.deployment_records import DeploymentRecords
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.device_run import DeviceRun, Workshop
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.service.zoo.zoo import Zoo

log = structlog.get_logger(__name__)

CONCURRENT_DEVICES = 64


class Deployments:
    """Runs deployments: many devices at a time, one deployment at a time per device."""

    def __init__(
        self,
        records: DeploymentRecords,
        zoo: Zoo,
        workshop: Workshop,
        access: DeliveryAccess,
        bus: Bus,
        *,
        model_object: int,
        timing: DeliveryTiming,
        concurrent_devices: int = CONCURRENT_DEVICES,
    ) -> None:
        self._records = records
        self._zoo = zoo
        self._workshop = workshop
        self._access = access
        self._bus = bus
        self._model_object = model_object
        self._timing = timing
        self._limit = asyncio.Semaphore(concurrent_devices)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: dict[str, Deployment] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._signals = DeviceSignals(bus)

    async def start(self) -> None:
        """Go on with every deployment that is not finished."""
        self._signals.start()
        for deployment in await self._records.unfinished():
            log.info("deployment resumed", deployment=deployment.id, model=deployment.model)
            self._start(deployment)

    async def stop(self) -> None:
        """Stop all work; what is not finished goes on at the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._signals.stop()

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._running)

    async def create(self, model: Model, endpoints: Sequence[str]) -> Deployment:
        """Store a new deployment and begin it."""
        deployment = Deployment(
            id=secrets.token_hex(6),
            model=model.name,
            version=model.version,
            created_at=time.time(),
            devices=tuple(DeploymentDevice(endpoint) for endpoint in dict.fromkeys(endpoints)),
        )
        await self._records.create(deployment)
        self._start(deployment)
        return deployment

    async def get(self, deployment_id: str) -> Deployment:
        """Return a deployment as it stands; raises `NotFoundError`."""
        running = self._running.get(deployment_id)
        found = running or await self._records.get(deployment_id)
        if found is None:
            raise NotFoundError(f"There is no deployment {deployment_id!r}")
        return found

    async def all(self) -> tuple[Deployment, ...]:
        """Return every deployment, oldest first."""
        return tuple(self._running.get(stored.id, stored) for stored in await self._records.all())

    def _start(self, deployment: Deployment) -> None:
        self._running[deployment.id] = deployment
        for device in deployment.devices:
            if not device.state.final:
                task = asyncio.create_task(self._run(deployment, device))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, deployment: Deployment, row: DeploymentDevice) -> None:
        async def save(changed: DeploymentDevice) -> None:
            await self._save(deployment.id, changed)

        async with self._turns[row.endpoint], self._limit:
            try:
                model = self._zoo.get(deployment.model, deployment.version)
            except NotFoundError as error:
                await save(dataclasses.replace(row, state=DeviceState.FAILED, reason=error.message))
                return
            with self._signals.watch(row.endpoint) as watch:
                session = Session(row.endpoint, self._access, watch, self._model_object, self._timing)
                run = DeviceRun(self._workshop, session, deployment_id=deployment.id, model=model, row=row, save=save)
                try:
                    await run.run()
                except Lwm2mMlError as error:  # only the store can still fail; the next start goes on from what it has
                    log.error(
                        "a deployment stopped", endpoint=row.endpoint, deployment=deployment.id, reason=str(error)
                    )

    async def _save(self, deployment_id: str, changed: DeploymentDevice) -> None:
        """Persist first, then tell: nobody hears of a state that a crash could take back."""
        self._running[deployment_id].with_device(changed)  # refuses an impossible step before it is on disk
        await self._records.put_device(deployment_id, changed)
        deployment = self._running[deployment_id].with_device(changed)
        self._running[deployment_id] = deployment
        self._bus.publish(DeploymentChanged(deployment_id, changed))
        if deployment.finished:
            await self._records.finish(deployment_id)
            self._workshop.packages.forget(deployment_id)
            self._running.pop(deployment_id, None)
            log.info("deployment finished", deployment=deployment_id)
