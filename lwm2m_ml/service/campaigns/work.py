"""What all campaigns use to act on devices: who has which device now, how a model is brought, how it is taken back."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Final

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import Lwm2mMlError, NotFoundError
from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignDevice, with_state
from lwm2m_ml.service.campaigns.device_run import Admit, DeviceRun, Save, Workshop
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.reported import ModelObjects
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.campaigns.take_back import TakeBack
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.signals import DeviceSignals
from lwm2m_ml.service.delivery.slots import Slot
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.service.zoo.zoo import Zoo

AGAIN: Final = "again"
"""Marks the packages of former models that a campaign delivers anew: they need sequence numbers of their own."""


class Work:
    """The hands of all campaigns."""

    def __init__(
        self,
        records: CampaignRecords,
        zoo: Zoo,
        workshop: Workshop,
        access: DeliveryAccess,
        bus: Bus,
        *,
        objects: ModelObjects,
        timing: DeliveryTiming,
    ) -> None:
        self.records = records
        self.access = access
        self.bus = bus
        self.objects = objects
        self.timing = timing
        self.signals = DeviceSignals(bus)
        self.on_vacated: Callable[[], None] = lambda: None
        self._zoo = zoo
        self._workshop = workshop
        self._occupants: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}

    def occupy(self, endpoint: str, campaign_id: str) -> bool:
        """Take a device for a campaign; False when another one has it."""
        return self._occupants.setdefault(endpoint, campaign_id) == campaign_id

    def vacate(self, endpoint: str, campaign_id: str) -> None:
        """Give a device back."""
        if self._occupants.get(endpoint) == campaign_id:
            del self._occupants[endpoint]
            self.on_vacated()

    def vacate_all(self) -> None:
        """Give all devices back."""
        self._occupants.clear()

    def model(self, name: str, version: str) -> Model:
        """Return a model; raises `NotFoundError`."""
        return self._zoo.get(name, version)

    def occupant(self, endpoint: str, but: str) -> str:
        """Return the campaign that has a device now, other than `but`; empty when none has."""
        found = self._occupants.get(endpoint, "")
        return "" if found == but else found

    def forget(self, campaign_id: str) -> None:
        """Drop what is only needed while a campaign goes on."""
        self._workshop.packages.forget(campaign_id)
        self._workshop.packages.forget(f"{campaign_id} {AGAIN}")

    async def module_digest(self, package_digest: str) -> bytes:
        """Return the digest that a device shows for a package; raises `NotFoundError`."""
        if package_digest not in self._digests:
            self._digests[package_digest] = (await self._workshop.packages.get(package_digest)).module_digest
        return self._digests[package_digest]

    async def bring(self, campaign: Campaign, device: CampaignDevice, save: Save, admit: Admit) -> None:
        """Bring the campaign's model to a device, from wherever its row stands."""
        try:
            model = self._zoo.get(campaign.model, campaign.version)
        except NotFoundError as error:
            await save(with_state(device, DeviceState.FAILED, time.time(), error.message))
            return
        await self._bring(campaign.id, model, device, save, admit)

    async def take_back(self, campaign: Campaign, device: CampaignDevice) -> CampaignDevice:
        """Take the campaign's model back from a device; returns its row at the end."""
        cause = device.reason

        async def deliver_again(before: str) -> str:
            return await self._deliver_again(campaign, device, before)

        try:
            package = await self._workshop.packages.get(device.module_digest or "")
            with self.signals.watch(device.endpoint) as watch:
                session = Session(device.endpoint, self.access, watch, self.objects.model, self.timing)

                async def give_up(slots: Sequence[Slot]) -> int:
                    return await self._workshop.courier.cancel(session, slots, package.content, package.module_digest)

                taking_back = TakeBack(
                    session, device, package.module_digest, give_up=give_up, deliver_again=deliver_again
                )
                now_runs = await taking_back.run()
                if taking_back.running is not None:
                    await self._workshop.keeper.note_running(device.endpoint, taking_back.running)
        except Lwm2mMlError as error:
            return with_state(device, DeviceState.FAILED, time.time(), f"not rolled back: {error.message}")
        return with_state(device, DeviceState.ROLLED_BACK, time.time(), f"{now_runs}; {cause}" if cause else now_runs)

    async def _bring(self, job: str, model: Model, device: CampaignDevice, save: Save, admit: Admit) -> None:
        with self.signals.watch(device.endpoint) as watch:
            session = Session(device.endpoint, self.access, watch, self.objects.model, self.timing)
            run = DeviceRun(self._workshop, session, campaign_id=job, model=model, row=device, save=save, admit=admit)
            await run.run()

    async def _deliver_again(self, campaign: Campaign, device: CampaignDevice, before: str) -> str:
        """Bring the former model back; returns why that did not work, or nothing."""
        name, _, version = before.rpartition(" ")
        model = self._zoo.get(name, version)
        ended: CampaignDevice | None = None

        async def save(changed: CampaignDevice) -> None:
            nonlocal ended
            ended = changed

        async def admit(_size: int) -> None:
            """Let it go at once: a device without its model is worse than a full network."""

        fresh = dataclasses.replace(CampaignDevice(device.endpoint), phase=device.phase)
        await self._bring(f"{campaign.id} {AGAIN}", model, fresh, save, admit)
        if ended is None or ended.state is not DeviceState.ACTIVE:
            return ended.reason if ended else "nothing came of it"
        return ""
