"""The road of object 513, AI Model Configuration: a slot gets its model by Model or Model URI, and is enabled.

    integrity written → URI or model written → fetched, checked, staged → Enabled written → trial

The object has no state of its own: ML Model (42770) tells how far the slot is, so only slots that have one are driven.
"""

import hashlib

from lwm2m_ml.lwm2m.ni import format_ni
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.server.errors import DeviceError, OperationError
from lwm2m_ml.service.delivery.machine import Action, Event, Memory, Phase, Table
from lwm2m_ml.service.delivery.road import Reading, Road
from lwm2m_ml.service.delivery.slots import Slot, SlotStatus, result_sentence
from lwm2m_ml.service.delivery.transfer import Push
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.resources import MODEL_CONFIGURATION_OBJECT, ConfigurationResource

# There is no phase of clearing, checking or installing: what is written replaces what a slot at rest holds.
PHASES = (Phase.RESUMING, Phase.OFFERED, Phase.TRANSFER, Phase.ACTIVATING)

TABLE: Table = {
    (Phase.RESUMING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.OCCUPIED): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.BROKEN): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.RESUMING, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.RESUMING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.OFFERED, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.OFFERED, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.OFFERED, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.OFFERED, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.OFFERED, Event.STUCK): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.TRANSFER, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.TRANSFER, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.TRANSFER, Event.OCCUPIED): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.STUCK): (Phase.OFFERED, Action.OFFER),
    (Phase.ACTIVATING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.ACTIVATING, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.ACTIVATING, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.ACTIVATING, Event.STUCK): (Phase.ACTIVATING, Action.ACTIVATE),
} | {(phase, Event.REBOOTED): (Phase.RESUMING, Action.WAIT) for phase in PHASES}


class ModelConfiguration(Road):
    """Drives one instance of object 513."""

    name = "AI Model Configuration"
    table = TABLE
    transfer_failures = frozenset[int]()

    def __init__(self, slot: Slot, digest: bytes) -> None:
        self.slot = slot
        self._digest = digest
        self._path = ObjectPath(MODEL_CONFIGURATION_OBJECT, slot.delivery_instance)
        self.package = self._path.child(ConfigurationResource.MODEL)

    def observed(self) -> tuple[ObjectPath, ...]:
        """Return the resources whose changes are worth a look."""
        return (self._path.child(ConfigurationResource.ENABLED),)

    async def read(self, access: DeliveryAccess, endpoint: str) -> Reading:
        """Read whether the device has an address, or does not tell; everything else is in the slot."""
        try:
            records = await access.read(endpoint, self._path.child(ConfigurationResource.MODEL_URI))
        except DeviceError:
            return Reading(1, 0, active=False)
        return Reading(int(bool(records and records[0].value)), 0, active=False)

    def classify(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """Turn what the slot says into an event."""
        if slot.state in {ModuleState.EMPTY, ModuleState.FAILED, None}:
            return self._without_module(reading, slot, memory)
        if slot.digest != self._digest:
            return Event.OCCUPIED
        return Event.RUNNING if slot.state in {ModuleState.TRIAL, ModuleState.ACTIVE} else Event.INSTALLED

    def _without_module(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """A slot that is empty after an offer is being filled; what had failed before the offer does not count.

        An offer may have been lost with the server that made it: then the device has no address.
        """
        if not memory.offered or (not reading.state and slot.state is not ModuleState.FAILED):
            return Event.EMPTY
        failed = slot.state is ModuleState.FAILED and slot != memory.stale_slot
        return Event.BROKEN if failed else Event.TRANSFERRING

    async def offer(self, access: DeliveryAccess, endpoint: str, uri: str, package: bytes) -> None:
        """Write Model Integrity, then Model URI."""
        await self._announce(access, endpoint, package)
        await access.write(endpoint, self._path.child(ConfigurationResource.MODEL_URI), uri)

    async def push(self, access: DeliveryAccess, endpoint: str, push: Push) -> None:
        """Write Model Integrity, then the model itself."""
        await self._announce(access, endpoint, push.package)
        await super().push(access, endpoint, push)

    async def _announce(self, access: DeliveryAccess, endpoint: str, package: bytes) -> None:
        """Say what the package's digest is; the resource is optional, and the package is signed besides."""
        name = format_ni(hashlib.sha256(package).digest())
        path = self._path.child(ConfigurationResource.MODEL_INTEGRITY)
        try:
            await access.write(endpoint, path, name)
        except DeviceError:
            return
        except OperationError:
            # Whether it arrived is read: under another digest the device would refuse the package.
            records = await access.read(endpoint, path)
            if not records or records[0].value != name:
                raise

    async def clear(self, access: DeliveryAccess, endpoint: str) -> None:
        """Do nothing: what is written replaces what is there."""

    async def cancel(self, access: DeliveryAccess, endpoint: str) -> None:
        """Take the address back, and with it what came from there."""
        await access.write(endpoint, self._path.child(ConfigurationResource.MODEL_URI), "")

    async def install(self, access: DeliveryAccess, endpoint: str) -> None:
        """Do nothing: a checked model is installed."""

    async def activate(self, access: DeliveryAccess, endpoint: str) -> None:
        """Write Enabled; the device starts the trial."""
        await access.write(endpoint, self._path.child(ConfigurationResource.ENABLED), True)

    def failure_sentence(self, reading: Reading, slot: SlotStatus) -> str:
        """Say why the device refused."""
        return result_sentence(slot.result)
