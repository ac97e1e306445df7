"""One device of a deployment, from pending to its final state: fit, build, deliver, trial."""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.errors import DeviceError, OperationError, UnknownDevice, UnusableAnswer
from lwm2m_ml.service.builds import Build, Builder
from lwm2m_ml.service.delivery.courier import Carried, Courier
from lwm2m_ml.service.delivery.outcome import Progress
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.slots import Slot, read_slots
from lwm2m_ml.service.delivery.trial import Trial
from lwm2m_ml.service.deployment import DeploymentDevice, DeviceState
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.packages import Package, Packages
from lwm2m_ml.service.zoo.model import Model, Variant

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

Save = Callable[[DeploymentDevice], Awaitable[None]]


class DeviceSilent(Lwm2mMlError):
    """A device did not answer for as long as anybody would wait."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every run uses: where modules are fitted, built, packaged, and who carries them."""

    fitting: DeviceFitting
    builder: Builder
    packages: Packages
    courier: Courier


class DeviceRun:
    """Brings one model to one device and keeps the device's row up to date."""

    def __init__(
        self,
        workshop: Workshop,
        session: Session,
        *,
        deployment_id: str,
        model: Model,
        row: DeploymentDevice,
        save: Save,
    ) -> None:
        self._workshop = workshop
        self._session = session
        self._deployment_id = deployment_id
        self._model = model
        self._row = row
        self._save = save
        self._bytes_before = row.ota_bytes or 0
        self._log = log.bind(endpoint=row.endpoint, deployment=deployment_id, model=model.name)

    async def run(self) -> None:
        """Go on from the row's state to a final one; every step is saved before the next begins."""
        try:
            await self._run()
        except Lwm2mMlError as error:
            await self._set(DeviceState.FAILED, error.message)
        except Exception as error:
            self._log.exception("deployment to a device failed for an unforeseen reason")
            await self._set(DeviceState.FAILED, f"internal error: {type(error).__name__}: {error}")

    async def _run(self) -> None:
        resuming = self._row.module_digest is not None
        package = await self._known_package() if resuming else await self._prepare()
        if package is None:
            return
        slots = await self._answered(
            lambda: read_slots(self._session.access, self._row.endpoint, self._session.model_object)
        )
        slot = _slot_on_trial(slots, package) if self._row.state is DeviceState.TRIAL else None
        if slot is None:
            carried = await self._deliver(slots, package, offered_before=resuming)
            if not carried.outcome.delivered:
                await self._set(DeviceState.FAILED, carried.outcome.reason)
                return
            slot = carried.slot
        await self._try_out(slot, package)

    async def _known_package(self) -> Package:
        return await self._workshop.packages.get(self._row.module_digest or "")

    async def _prepare(self) -> Package | None:
        """Fit, build and sign; None when the device was refused or the build failed."""
        await self._set(DeviceState.FITTING)
        chosen = await self._answered(
            lambda: self._workshop.fitting.choose(self._model, self._row.endpoint, build=self._build)
        )
        fit = chosen.fit
        self._row = dataclasses.replace(self._row, target=fit.target or self._row.target)
        if chosen.build is None or chosen.runtime is None:
            await self._set(DeviceState.FAILED if fit.broken else DeviceState.REFUSED, fit.reason)
            return None
        package = await self._workshop.packages.make(self._deployment_id, chosen.build, chosen.runtime, chosen.running)
        self._row = dataclasses.replace(
            self._row,
            variant=package.variant,
            module_digest=package.digest,
            module_bytes=len(package.content),
            ram_bytes=package.ram_bytes,
            instructions=package.instructions,
        )
        await self._set(DeviceState.DELIVERING, fit.reason)
        return package

    async def _build(self, model: Model, variant: Variant, target: Target) -> Build:
        """Build a candidate, and let the row say so."""
        if self._row.state is DeviceState.FITTING:
            await self._set(DeviceState.BUILDING)
        return await self._workshop.builder.build(model, variant, target)

    async def _deliver(self, slots: tuple[Slot, ...], package: Package, *, offered_before: bool) -> Carried:
        if self._row.state is not DeviceState.DELIVERING:
            await self._set(DeviceState.DELIVERING)
        return await self._answered(
            lambda: self._workshop.courier.carry(
                self._session,
                slots,
                package.content,
                package.module_digest,
                on_progress=self._on_progress,
                offered_before=offered_before,
            )
        )

    async def _on_progress(self, progress: Progress) -> None:
        self._row = dataclasses.replace(
            self._row,
            ota_bytes=self._bytes_before + progress.ota_bytes,
            ota_seconds=progress.ota_seconds if progress.ota_seconds is not None else self._row.ota_seconds,
        )
        await self._save(self._row)

    async def _try_out(self, slot: Slot, package: Package) -> None:
        """See the module through its trial; a device without ML Model has none that could be watched."""
        if slot.instance is None:
            await self._set(DeviceState.ACTIVE)
            return
        if self._row.state is not DeviceState.TRIAL:
            await self._set(DeviceState.TRIAL)
        path = ObjectPath(self._session.model_object, slot.instance)
        outcome = await Trial(self._session, path, package.module_digest).run()
        await self._set(DeviceState.ACTIVE if outcome.delivered else DeviceState.FAILED, outcome.reason)

    async def _answered(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask a device until it answers, be it with an error; raises `DeviceSilent` when it never does."""
        began = time.monotonic()
        while True:
            try:
                return await ask()
            except (DeviceError, UnusableAnswer):
                raise
            except (OperationError, UnknownDevice) as error:
                waited = time.monotonic() - began
                if waited > self._session.timing.silence:
                    raise DeviceSilent(f"The device has not answered for {waited:.0f} s: {error.message}") from error
                self._log.info("device does not answer yet", reason=error.message)
            await self._session.watch.wait(self._session.timing.poll)

    async def _set(self, state: DeviceState, reason: str = "") -> None:
        self._row = dataclasses.replace(self._row, state=state, reason=reason)
        self._log.info("deployment", state=str(state), reason=reason)
        await self._save(self._row)


def _slot_on_trial(slots: tuple[Slot, ...], package: Package) -> Slot | None:
    """Return the slot that holds the module, whatever has become of it."""
    return next(
        (slot for slot in slots if slot.instance is not None and slot.status.digest == package.module_digest), None
    )
