"""Keeps the capability profiles: reads them when a device registers, stores them, follows free storage."""

import asyncio
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from lwm2m_ml.bus import Bus, Subscription
from lwm2m_ml.errors import Lwm2mMlError, NotFoundError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.errors import DeviceError, RequestInterrupted
from lwm2m_ml.server.events import DeviceEvent, DeviceRegistered, Notified
from lwm2m_ml.server.visits import Visits
from lwm2m_ml.service.device_access import DeviceAccess, instances_of
from lwm2m_ml.service.device_types import DeviceTypes
from lwm2m_ml.service.profiles import CapabilityProfile, profile_from_records
from lwm2m_ml.service.resources import DEVICE_OBJECT, CapabilityResource
from lwm2m_ml.service.trust_distribution import TrustDistribution
from lwm2m_ml.store.device_profiles import DeviceProfileRepository

log = structlog.get_logger(__name__)

OBSERVED = (CapabilityResource.WORKING_MEMORY_FREE, CapabilityResource.MODULE_STORAGE_FREE)
CONCURRENT_READS = 256
"""Devices that are read at a time after they registered; each is asked for one thing at a time."""


@dataclass(frozen=True, slots=True)
class DeviceProfiled(DeviceEvent):
    """A device told what it is and what it can do; its profile is stored."""


class ProfileKeeper:
    """Knows what every device can do. Profiles live in memory and in the store; a registration refreshes them."""

    def __init__(
        self,
        access: DeviceAccess,
        profiles: DeviceProfileRepository,
        bus: Bus,
        capabilities_object: int,
        trust: TrustDistribution | None = None,
        *,
        types: DeviceTypes | None = None,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """While `pressed`, no device is read only because it registered."""
        self._access = access
        self._store = profiles
        self._bus = bus
        self._object = capabilities_object
        self._trust = trust
        self._types = types
        self._profiles: dict[str, CapabilityProfile] = {}
        self._limit = asyncio.Semaphore(CONCURRENT_READS)
        self._visits = Visits(self._learn, at_once=CONCURRENT_READS, pressed=pressed)
        self._subscriptions: tuple[Subscription, ...] = ()

    async def start(self) -> None:
        """Load what is stored and follow registrations from now on."""
        async for endpoint, text in self._store.texts():
            try:
                self._profiles[endpoint] = CapabilityProfile.from_json(text).shared()
            except Lwm2mMlError as error:
                log.warning("a stored profile is ignored", endpoint=endpoint, reason=error.message)
        self._subscriptions = (
            self._bus.subscribe(DeviceRegistered, self._on_registered),
            self._bus.subscribe(Notified, self._on_notified),
            self._bus.subscribe(DeviceProfiled, self._on_profiled_elsewhere, everywhere=True, here=False),
        )

    async def stop(self) -> None:
        """Follow registrations no more and give up reads under way."""
        for subscription in self._subscriptions:
            subscription.cancel()
        await self._visits.close()

    def get(self, endpoint: str) -> CapabilityProfile | None:
        """Return the profile of a device as last known, or None when it was never read."""
        return self._profiles.get(endpoint)

    def kind(self, endpoint: str) -> str:
        """Name the kind of a device: make, model and firmware, or the device itself where it does not tell them."""
        profile = self._profiles.get(endpoint)
        identity = None if profile is None else profile.identity
        if identity is None or not identity.model_number:
            return endpoint
        return " ".join((identity.manufacturer, identity.model_number, identity.firmware_version)).strip()

    async def profile(self, endpoint: str) -> CapabilityProfile:
        """Return the profile, reading it first when it is not known; raises `NotFoundError` when that fails."""
        known = self._profiles.get(endpoint)
        if known is not None:
            return known
        try:
            return await self.refresh(endpoint)
        except Lwm2mMlError as error:
            raise NotFoundError(
                f"The capabilities of {endpoint} are not known: {error.message}", hint="Wait until it registers"
            ) from error

    async def refresh(self, endpoint: str) -> CapabilityProfile:
        """Read objects 42769 and 3 of a device now, store what they say and return it.

        A device whose list of trusted keys is old gets the new one first.
        """
        async with self._limit:
            profile = await self._told(endpoint)
            runtime, trust = profile.runtime, self._trust
            if runtime is not None and trust is not None and await trust.bring_up_to_date(endpoint, runtime):
                profile = await self._told(endpoint)
        await self._keep(profile)
        log.info(
            "capabilities read",
            endpoint=endpoint,
            targets=[runtime.target for runtime in profile.runtimes],
            problems=list(profile.problems),
        )
        return profile

    async def _told(self, endpoint: str) -> CapabilityProfile:
        device, capabilities = await self._read_both(endpoint)
        known = self._profiles.get(endpoint)
        profile = profile_from_records(endpoint, device, capabilities)
        if self._types is not None:
            profile = self._types.complete(profile)
        return dataclasses.replace(profile, running=known.running if known is not None else ())

    async def note_running(self, endpoint: str, running: tuple[str, ...]) -> None:
        """Keep which models a device runs, as it told just now."""
        known = self._profiles.get(endpoint)
        if known is not None and known.running != running:
            await self._keep(dataclasses.replace(known, running=running))

    async def _read_both(self, endpoint: str) -> tuple[Sequence[Record], Sequence[Record]]:
        """Read both objects, once more when a registration came in between: then the device has just arrived."""
        try:
            return await self._identity(endpoint), await self._read(endpoint, self._object)
        except RequestInterrupted:
            return await self._identity(endpoint), await self._read(endpoint, self._object)

    async def _identity(self, endpoint: str) -> Sequence[Record]:
        """Read object 3; a device may keep it to other servers, and is then known by its endpoint only."""
        try:
            return await self._read(endpoint, DEVICE_OBJECT)
        except DeviceError as error:
            log.info("the device does not tell who it is", endpoint=endpoint, reason=error.message)
            return ()

    async def _read(self, endpoint: str, object_id: int) -> Sequence[Record]:
        """Read an object of a registered device that offers it; one that it does not offer reads as nothing."""
        if instances_of(self._access, endpoint, object_id) is None:
            return ()
        return await self._access.read(endpoint, ObjectPath(object_id))

    async def _keep(self, profile: CapabilityProfile) -> None:
        self._profiles[profile.endpoint] = profile.shared()
        await self._store.put(profile.endpoint, profile.to_json())
        self._bus.publish(DeviceProfiled(profile.endpoint))

    async def _on_profiled_elsewhere(self, event: DeviceProfiled) -> None:
        """Know what another node has read."""
        document = await self._store.get(event.endpoint)
        if document is not None:
            self._profiles[event.endpoint] = CapabilityProfile.from_json(json.dumps(document)).shared()

    async def _on_registered(self, event: DeviceRegistered) -> None:
        """Read when it is the device's turn; a newer registration wins."""
        self._visits.ask(event.endpoint)

    async def _learn(self, endpoint: str) -> None:
        try:
            profile = await self.refresh(endpoint)
            if profile.device_type:
                return  # its figures are an operator's: there is nothing to observe
            for runtime in profile.runtimes:
                await self._observe(endpoint, runtime.instance)
        except Lwm2mMlError as error:
            log.warning("capabilities could not be read", endpoint=endpoint, reason=error.message)

    async def _observe(self, endpoint: str, instance: int) -> None:
        """Follow the free figures; a device that refuses is asked again before the next deployment anyway."""
        for resource in OBSERVED:
            path = ObjectPath(self._object, instance, int(resource))
            try:
                await self._access.observe(endpoint, path)
            except Lwm2mMlError as error:
                log.debug("free figures cannot be observed", endpoint=endpoint, path=str(path), reason=error.message)
                return

    async def _on_notified(self, event: Notified) -> None:
        """Take over free figures; they are kept in memory only, since every deployment reads them anew."""
        profile = self._profiles.get(event.endpoint)
        if profile is None or event.path.object_id != self._object:
            return
        for record in event.records:
            instance, resource, value = record.path.instance_id, record.path.resource_id, record.value
            if instance is not None and resource is not None and isinstance(value, int):
                profile = profile.with_free(instance, resource, value)
        self._profiles[event.endpoint] = profile.shared()
