"""A plain LwM2M device: a client with objects and a radio, without microcontroller, flash or modules."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from lwm2m_ml.coap.oscore import MemoryStates
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.clock import DeviceClock
from lwm2m_ml_simulator.device.data_feed import data_instances, keep_moving
from lwm2m_ml_simulator.device.device_security import DeviceSecurity
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.objects.data import DataTemplate
from lwm2m_ml_simulator.objects.device import Device, DeviceIdentity

_REBOOT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PlainProfile:
    """What does not change while the device lives. Times in seconds."""

    endpoint: str
    identity: DeviceIdentity = field(default_factory=DeviceIdentity)
    lifetime: int = 300
    outage: float = 1.0
    seed: int = 0
    version: str = "1.1"
    queue_awake: float | None = None
    conditions: Conditions = field(default_factory=Conditions)
    security: DeviceSecurity = field(default_factory=DeviceSecurity)
    clock_skew: float = 0.0
    claims: Mapping[ObjectPath, Value] = field(default_factory=dict)
    objects: tuple[DataTemplate, ...] = ()


class PlainDevice:
    """One device. Its objects keep their values over reboots and power cuts."""

    def __init__(self, profile: PlainProfile, server_uri: str, *, catalogue: Catalogue | None = None) -> None:
        self.profile = profile
        self.boots = 0
        self.client: Lwm2mClient | None = None
        self.clock = DeviceClock(profile.clock_skew)
        self.claims = dict(profile.claims)
        self.radio = Radio(RadioSettings(profile.queue_awake, profile.conditions, profile.seed))
        self._server_uri = server_uri
        self._catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        self._data = data_instances(profile.objects, profile.seed)
        # Numbers that were used once protect nothing any more: they outlive reboots as they do in flash.
        self._oscore_states = MemoryStates()
        self._feeds: list[asyncio.Task[None]] = []
        self._absence: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint name."""
        return self.profile.endpoint

    @property
    def is_on(self) -> bool:
        """Whether the device is switched on; it may be without power for a moment."""
        return self.client is not None or self._absence is not None

    @property
    def is_registered(self) -> bool:
        """Whether a server knows the device now."""
        return self.client is not None and self.client.registered.is_set()

    async def start(self) -> None:
        """Switch the device on."""
        self.boots += 1
        device = Device(self.profile.identity, clock=self.clock)
        device.on_reboot = self.reboot
        security = self.profile.security
        self.client = Lwm2mClient(
            self.endpoint,
            security.account(self._server_uri, self.profile.lifetime),
            [device, *self._data],
            version=self.profile.version,
            catalogue=self._catalogue,
            radio=self.radio,
            connection_ids=security.connection_id,
            oscore=security.oscore.instance() if security.oscore is not None else None,
            oscore_states=self._oscore_states,
        )
        self.client.tree.claims = self.claims
        await self.client.start()
        self._feeds = keep_moving(self.client, self._data)

    async def stop(self, *, deregister: bool = True) -> None:
        """Switch the device off: in good order, or without a word to its servers."""
        absence, self._absence = self._absence, None
        if absence is not None:
            absence.cancel()
            await asyncio.gather(absence, return_exceptions=True)
        await self._halt(deregister=deregister)

    def cut_power(self, outage: float | None = None) -> None:
        """Pull the plug now; the device comes back after that many seconds, by default those of its profile."""
        if self._absence is None:
            self._absence = asyncio.create_task(self._be_away(self.profile.outage if outage is None else outage))

    def reboot(self) -> None:
        """Restart soon."""
        self.cut_power(_REBOOT_SECONDS)

    async def _be_away(self, seconds: float) -> None:
        await self._halt(deregister=False)
        await asyncio.sleep(seconds)
        await self.start()
        self._absence = None

    async def _halt(self, *, deregister: bool) -> None:
        for feed in self._feeds:
            feed.cancel()
        await asyncio.gather(*self._feeds, return_exceptions=True)
        self._feeds = []
        client, self.client = self.client, None
        if client is not None:
            await client.stop(deregister=deregister)
