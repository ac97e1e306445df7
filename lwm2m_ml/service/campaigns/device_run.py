"""One device of a campaign, from pending to its end: fit, build, deliver, trial, and the version that it reports."""

import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.errors import DeviceError, OperationError, UnknownDevice, UnusableAnswer
from lwm2m_ml.service.builds import Build, Builder
from lwm2m_ml.service.campaigns.campaign import CampaignDevice, with_state
from lwm2m_ml.service.campaigns.reported import ReportedModule, read_modules
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.delivery.courier import Carried, Courier
from lwm2m_ml.service.delivery.outcome import Progress
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.slots import Slot, read_slots
from lwm2m_ml.service.delivery.trial import Trial
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.packages import Package, Packages
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.workers.facts import BackendFacts
from lwm2m_ml.service.zoo.model import Model, Variant

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

Save = Callable[[CampaignDevice], Awaitable[None]]
Admit = Callable[[int], Awaitable[None]]
"""Waits until so many bytes may go over the air."""


class DeviceSilent(Lwm2mMlError):
    """A device did not answer for as long as anybody would wait."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every run uses: where modules are fitted, built, packaged, and who carries them."""

    fitting: DeviceFitting
    builder: Builder
    packages: Packages
    courier: Courier
    keeper: ProfileKeeper


class DeviceRun:
    """Brings one model to one device and keeps the device's row up to date."""

    def __init__(
        self,
        workshop: Workshop,
        session: Session,
        *,
        campaign_id: str,
        model: Model,
        row: CampaignDevice,
        save: Save,
        admit: Admit,
    ) -> None:
        self._workshop = workshop
        self._session = session
        self._campaign_id = campaign_id
        self._model = model
        self._row = row
        self._save = save
        self._admit = admit
        self._bytes_before = row.ota_bytes or 0
        self._log = log.bind(endpoint=row.endpoint, campaign=campaign_id, model=model.name)

    async def run(self) -> None:
        """Go on from the row's state to a final one; every step is saved before the next begins."""
        try:
            await self._run()
        except Lwm2mMlError as error:
            await self._set(DeviceState.FAILED, error.message)
        except Exception as error:
            self._log.exception("a campaign failed at a device for an unforeseen reason")
            await self._set(DeviceState.FAILED, f"internal error: {type(error).__name__}: {error}")

    async def _run(self) -> None:
        resuming = self._row.module_digest is not None
        package = await self._known_package() if resuming else await self._prepare()
        if package is None:
            return
        if not resuming:
            await self._admit(len(package.content))
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
        await self._remember_what_runs()
        chosen = await self._answered(
            lambda: self._workshop.fitting.choose(self._model, self._row.endpoint, build=self._build)
        )
        fit = chosen.fit
        self._row = dataclasses.replace(self._row, target=fit.target or self._row.target)
        if chosen.build is None or chosen.runtime is None:
            await self._set(DeviceState.FAILED if fit.broken else DeviceState.REFUSED, fit.reason)
            return None
        package = await self._workshop.packages.make(
            self._campaign_id, chosen.build, chosen.runtime, chosen.running, endpoint=self._row.endpoint
        )
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

    async def _build(self, model: Model, variant: Variant, target: Target, backend: BackendFacts) -> Build:
        """Build a candidate, and let the row say so."""
        if self._row.state is DeviceState.FITTING:
            await self._set(DeviceState.BUILDING)
        return await self._workshop.builder.build(model, variant, target, backend)

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

    async def _remember_what_runs(self) -> None:
        """Note what the device runs before anything is changed, so that it can be given back."""
        running = [str(module) for module in await self._modules() if module.in_use and module.version]
        self._row = dataclasses.replace(self._row, before=running[0] if running else None)

    async def _modules(self) -> tuple[ReportedModule, ...]:
        session = self._session
        modules = await self._answered(lambda: read_modules(session.access, session.endpoint, session.model_object))
        running = tuple(str(module) for module in modules if module.in_use and module.version)
        await self._workshop.keeper.note_running(session.endpoint, running)
        return modules

    async def _try_out(self, slot: Slot, package: Package) -> None:
        """See the module through its trial; a device without ML Model has none that could be watched."""
        if slot.instance is not None:
            if self._row.state is not DeviceState.TRIAL:
                await self._set(DeviceState.TRIAL)
            path = ObjectPath(self._session.model_object, slot.instance)
            outcome = await Trial(self._session, path, package.module_digest).run()
            if not outcome.delivered:
                await self._set(DeviceState.FAILED, outcome.reason)
                return
        await self._compare_version(package)

    async def _compare_version(self, package: Package) -> None:
        """End well if the device reports the version that it was sent, or does not tell any."""
        expected = self._model.version
        reported = reported_version(await self._modules(), self._model, package.module_digest)
        self._row = dataclasses.replace(self._row, reported=reported)
        if reported in {None, expected}:
            await self._set(DeviceState.ACTIVE)
        else:
            await self._set(DeviceState.FAILED, f"expected version {expected}, the device reports {reported}")

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
        self._row = with_state(self._row, state, time.time(), reason)
        self._log.info("campaign", state=str(state), reason=reason)
        await self._save(self._row)


def reported_version(modules: Sequence[ReportedModule], model: Model, digest: bytes) -> str | None:
    """Return the version that a device reports of a module; None when it does not tell.

    A device with ML Model names the module by its digest; others name packages, of which one may be the model's.
    """
    for module in modules:
        if module.in_use and module.digest == digest:
            return module.version or None
    versions = [module.version for module in modules if module.slot is None and module.name == model.name]
    return model.version if model.version in versions else next(iter(versions), None)


def _slot_on_trial(slots: tuple[Slot, ...], package: Package) -> Slot | None:
    """Return the slot that holds the module, whatever has become of it."""
    return next(
        (slot for slot in slots if slot.instance is not None and slot.status.digest == package.module_digest), None
    )
