"""Takes a model back from a device: the module that ran before runs again, or none when there was none.

ML Model's Roll Back does it without a transfer where the device still has the predecessor. Where it has not, the former
model is delivered anew, signed with a higher number. A device with the standard objects alone has its software
deactivated (object 9) when it ran nothing of ours before.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.errors import OperationError, UnknownDevice
from lwm2m_ml.service.campaigns.campaign import CampaignDevice
from lwm2m_ml.service.campaigns.reported import ReportedModule, read_modules
from lwm2m_ml.service.delivery.road import UnexpectedReading
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.slots import Slot, choose_slot, read_slots
from lwm2m_ml.service.resources import (
    SOFTWARE_MANAGEMENT_OBJECT,
    ModelResource,
    SoftwareManagementResource,
)

log = structlog.get_logger(__name__)

GiveUp = Callable[[Sequence[Slot]], Awaitable[int]]
"""Has the device give up deliveries of the module that it has not installed; returns how many there were."""
DeliverAgain = Callable[[str], Awaitable[str]]
"""Brings the former model, named like `digits 1.0.0`, to the device; returns why not, or nothing."""


class NotTakenBack(Lwm2mMlError):
    """A device keeps what it should not."""


class TakeBack:
    """Takes one module back from one device; every step asks the device first, so it may be repeated at any time."""

    def __init__(
        self,
        session: Session,
        row: CampaignDevice,
        module_digest: bytes,
        *,
        give_up: GiveUp,
        deliver_again: DeliverAgain,
    ) -> None:
        self._session = session
        self._row = row
        self._digest = module_digest
        self._give_up = give_up
        self._deliver_again = deliver_again
        self.running: tuple[str, ...] | None = None
        """The models that the device told it runs afterwards; None where it was not asked after the last change."""

    async def run(self) -> str:
        """Return what the device runs now, in words; raises `NotTakenBack` when it cannot be helped."""
        await self._end_delivery()
        await self._stop_ours()
        running = [str(module) for module in await self._answered() if module.in_use]
        self.running = tuple(running)
        before = self._row.before
        replaced = running and not self._is_bare  # by its predecessor, or by what came after ours
        if before is None or before in running or replaced:
            return f"runs {', '.join(running)} again" if running else "runs no model"
        self.running = None
        why_not = await self._deliver_again(before)
        if why_not:
            raise NotTakenBack(f"{before} could not be delivered again: {why_not}")
        return f"runs {before} again, delivered anew"

    async def _end_delivery(self) -> None:
        """Cancel what is on its way until nothing is; a module that stays there all the same never starts by itself."""
        session = self._session
        for _ in range(session.timing.attempts):
            try:
                slots = await read_slots(session.access, session.endpoint, session.model_object)
                if not await self._give_up(slots):
                    return
            except (OperationError, UnknownDevice, UnexpectedReading) as error:
                log.info("not cancelled for certain", endpoint=session.endpoint, reason=error.message)
            await session.watch.wait(session.timing.quick_poll)

    async def _stop_ours(self) -> None:
        """Ask until our module is not in use any more."""
        for _ in range(self._session.timing.attempts):
            ours = [module for module in await self._answered() if module.in_use and module.digest == self._digest]
            if not ours and not self._is_bare:
                return
            await self._ask_to_stop(ours)
            if self._is_bare:
                return
            await self._session.watch.wait(self._session.timing.quick_poll)
        raise NotTakenBack(f"the device still runs the module after {self._session.timing.attempts} requests")

    async def _ask_to_stop(self, ours: Sequence[ReportedModule]) -> None:
        """Execute; a refusal or a lost answer shows in the state, which is read again."""
        session = self._session
        path = (
            ObjectPath(session.model_object, ours[0].slot or 0, ModelResource.ROLL_BACK) if ours else await self._bare()
        )
        if path is None:
            return
        try:
            await session.access.execute(session.endpoint, path)
        except (OperationError, UnknownDevice) as error:
            log.info("not taken back for certain", endpoint=session.endpoint, path=str(path), reason=error.message)

    async def _bare(self) -> ObjectPath | None:
        """Return what deactivates the module on a device with Software Management alone."""
        if self._row.before is not None:  # then the former one takes its place
            return None
        slot = choose_slot(await read_slots(self._session.access, self._session.endpoint, self._session.model_object))
        if slot.delivery_object != SOFTWARE_MANAGEMENT_OBJECT:
            raise NotTakenBack("a device that only takes firmware cannot be left without any")
        return ObjectPath(slot.delivery_object, slot.delivery_instance, SoftwareManagementResource.DEACTIVATE)

    @property
    def _is_bare(self) -> bool:
        """Whether the device has no ML Model objects, so that nothing tells which module it runs."""
        return not self._session.access.instances(self._session.endpoint, self._session.model_object)

    async def _answered(self) -> tuple[ReportedModule, ...]:
        """Read what the device holds, for as long as it takes until it answers."""
        session = self._session
        while True:
            try:
                return await read_modules(session.access, session.endpoint, session.model_object)
            except (OperationError, UnknownDevice) as error:
                log.info("device does not answer yet", endpoint=session.endpoint, reason=error.message)
            await session.watch.wait(session.timing.poll)
