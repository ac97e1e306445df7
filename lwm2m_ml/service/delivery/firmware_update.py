"""The road of object 5, Firmware Update: the device reboots into the module (Core V1.2 Appendix E.6).

    URI written → downloading → downloaded → Update → updating → reboot, new registration → idle, result 1 → trial

The device has to come back after Update by itself: until it does, its registration is the old one and answers nothing.
"""

import contextlib

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.delivery.machine import Action, Event, Memory, Phase, Table
from lwm2m_ml.service.delivery.road import Reading, Road, read_integer
from lwm2m_ml.service.delivery.slots import Slot, SlotStatus, result_sentence
from lwm2m_ml.service.delivery.transfer import Transfer
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.resources import FIRMWARE_UPDATE_OBJECT, FirmwareUpdateResource

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
SUCCESS = 1
CONNECTION_LOST = 4
INVALID_URI = 7
UNSUPPORTED_PROTOCOL = 9
DEFERRED = 11
METHOD_PULL, METHOD_PUSH = 0, 1
PULL_OF_PROTOCOL = {
    0: Transfer.PULL,
    1: Transfer.PULL,
    2: Transfer.PULL_HTTP,
    3: Transfer.PULL_HTTP,
    4: Transfer.PULL,
    5: Transfer.PULL,
}
"""By the values of /5/0/8: CoAP, CoAPS, HTTP, HTTPS, CoAP and CoAPS over TCP."""
TRANSFER_FAILURES = frozenset({CONNECTION_LOST, INVALID_URI, UNSUPPORTED_PROTOCOL})

FAILURES = {
    2: "not enough flash for the package",
    3: "out of memory while downloading",
    4: "connection lost while downloading",
    5: "package integrity check failed",
    6: "unsupported package type",
    7: "invalid package URI",
    8: "firmware update failed",
    9: "unsupported protocol",
    10: "cancelled at the device",
}

# There is no phase of checking or activating: a device checks before Downloaded and activates what it boots into.
PHASES = (Phase.RESUMING, Phase.CLEARING, Phase.OFFERED, Phase.TRANSFER, Phase.INSTALLING, Phase.DEFERRED)

TABLE: Table = {
    (Phase.RESUMING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.RESUMING, Event.BROKEN): (Phase.CLEARING, Action.CLEAR),
    (Phase.RESUMING, Event.OCCUPIED): (Phase.CLEARING, Action.CLEAR),
    (Phase.RESUMING, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.RESUMING, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.RESUMING, Event.INSTALLING): (Phase.INSTALLING, Action.WAIT),
    (Phase.RESUMING, Event.DEFERRED): (Phase.DEFERRED, Action.WAIT),
    (Phase.RESUMING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.CLEARING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.CLEARING, Event.STUCK): (Phase.CLEARING, Action.CLEAR),
    (Phase.OFFERED, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.OFFERED, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.OFFERED, Event.INSTALLING): (Phase.INSTALLING, Action.WAIT),
    (Phase.OFFERED, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.OFFERED, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.OFFERED, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.OFFERED, Event.STUCK): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.TRANSFER, Event.INSTALLING): (Phase.INSTALLING, Action.WAIT),
    (Phase.TRANSFER, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.TRANSFER, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.OCCUPIED): (Phase.CLEARING, Action.CLEAR),
    (Phase.TRANSFER, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.TRANSFER, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.TRANSFER, Event.STUCK): (Phase.CLEARING, Action.CLEAR),
    (Phase.INSTALLING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.INSTALLING, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.INSTALLING, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.INSTALLING, Event.DEFERRED): (Phase.DEFERRED, Action.WAIT),
    (Phase.INSTALLING, Event.STUCK): (Phase.RESUMING, Action.WAIT),
    (Phase.DEFERRED, Event.INSTALLING): (Phase.INSTALLING, Action.WAIT),
    (Phase.DEFERRED, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.DEFERRED, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.DEFERRED, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.DEFERRED, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.DEFERRED, Event.STUCK): (Phase.INSTALLING, Action.INSTALL),
} | {(phase, Event.REBOOTED): (Phase.RESUMING, Action.WAIT) for phase in PHASES}


class FirmwareUpdate(Road):
    """Drives object 5; 1.x has a single instance, but none is assumed."""

    name = "Firmware Update"
    table = TABLE
    transfer_failures = TRANSFER_FAILURES

    def __init__(self, slot: Slot, digest: bytes) -> None:
        self.slot = slot
        self._digest = digest
        self._path = ObjectPath(FIRMWARE_UPDATE_OBJECT, slot.delivery_instance)
        self.package = self._path.child(FirmwareUpdateResource.PACKAGE)

    def observed(self) -> tuple[ObjectPath, ...]:
        """Return the resources whose changes are worth a look."""
        return (self._path.child(FirmwareUpdateResource.STATE), self._path.child(FirmwareUpdateResource.UPDATE_RESULT))

    async def read(self, access: DeliveryAccess, endpoint: str) -> Reading:
        """Read state and result."""
        state = await read_integer(access, endpoint, self._path.child(FirmwareUpdateResource.STATE))
        result = await read_integer(access, endpoint, self._path.child(FirmwareUpdateResource.UPDATE_RESULT))
        return Reading(state, result, active=False)

    def classify(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """Turn what the device says into an event."""
        failed = reading.result in FAILURES and reading.result != memory.stale_result
        if reading.state == DOWNLOADED:
            return self._downloaded(reading, slot, memory, failed=failed)
        if reading.state == IDLE:
            return self._idle(reading, slot, memory, failed=failed)
        return Event.TRANSFERRING if reading.state == DOWNLOADING else Event.INSTALLING

    def _idle(self, reading: Reading, slot: SlotStatus, memory: Memory, *, failed: bool) -> Event:
        """Idle is before everything and after everything: the slot and what was asked before tell which."""
        if slot.holds(self._digest) and slot.state is not ModuleState.STAGED:
            return Event.RUNNING
        if failed and memory.offered:
            return Event.LOST if reading.result == CONNECTION_LOST else Event.REFUSED
        if memory.install_requested and reading.result == SUCCESS:
            return self._rebooted(slot)
        return Event.EMPTY

    def _downloaded(self, reading: Reading, slot: SlotStatus, memory: Memory, *, failed: bool) -> Event:
        if failed:
            return Event.BROKEN
        if reading.result == DEFERRED and (memory.offered or slot.holds(self._digest)):
            return Event.DEFERRED
        return Event.READY if memory.offered or slot.holds(self._digest) else Event.OCCUPIED

    def _rebooted(self, slot: SlotStatus) -> Event:
        """The update succeeded; a device with ML Model must also show the module, others have nothing to show."""
        if slot.state is None:
            return Event.RUNNING
        return Event.REFUSED if slot.state is ModuleState.FAILED else Event.EMPTY

    async def transfers(self, access: DeliveryAccess, endpoint: str) -> tuple[Transfer, ...]:
        """Read how the device takes packages, and what it can fetch them with; it prefers what it names first."""
        method = await self._optional(access, endpoint, FirmwareUpdateResource.DELIVERY_METHOD)
        protocols = await self._optional(access, endpoint, FirmwareUpdateResource.PROTOCOL_SUPPORT)
        told = tuple(dict.fromkeys(PULL_OF_PROTOCOL[one] for one in protocols if one in PULL_OF_PROTOCOL))
        possible = (*told, Transfer.PUSH) if told else await super().transfers(access, endpoint)
        if method == [METHOD_PUSH]:
            return (Transfer.PUSH,)
        return tuple(one for one in possible if method != [METHOD_PULL] or one is not Transfer.PUSH)

    async def _optional(self, access: DeliveryAccess, endpoint: str, resource: FirmwareUpdateResource) -> list[int]:
        """Read one or several integers; none where the device does not have them."""
        try:
            records = await access.read(endpoint, self._path.child(resource))
        except DeviceError:
            return []
        return [record.value for record in records if isinstance(record.value, int)]

    async def offer(self, access: DeliveryAccess, endpoint: str, uri: str, package: bytes) -> None:
        """Write the Package URI."""
        await access.write(endpoint, self._path.child(FirmwareUpdateResource.PACKAGE_URI), uri)

    async def clear(self, access: DeliveryAccess, endpoint: str) -> None:
        """Reset the state machine with an empty Package URI."""
        await access.write(endpoint, self._path.child(FirmwareUpdateResource.PACKAGE_URI), "")

    async def install(self, access: DeliveryAccess, endpoint: str) -> None:
        """Say how urgent it is where the device knows that (1.2), then execute Update. The device reboots."""
        for resource, value in (
            (FirmwareUpdateResource.SEVERITY, int(self.urgency.severity)),
            (FirmwareUpdateResource.MAXIMUM_DEFER_PERIOD, self.urgency.maximum_defer),
        ):
            with contextlib.suppress(DeviceError):
                await access.write(endpoint, self._path.child(resource), value)
        await access.execute(endpoint, self._path.child(FirmwareUpdateResource.UPDATE))

    async def cancel(self, access: DeliveryAccess, endpoint: str) -> None:
        """Execute Cancel; devices before 1.2 have none and are reset."""
        try:
            await access.execute(endpoint, self._path.child(FirmwareUpdateResource.CANCEL))
        except DeviceError:
            await self.clear(access, endpoint)

    async def activate(self, access: DeliveryAccess, endpoint: str) -> None:
        """Do nothing: the device activates what it boots into."""

    def failure_sentence(self, reading: Reading, slot: SlotStatus) -> str:
        """Say why the device refused: ML Model knows best, object 5 roughly."""
        if slot.state is ModuleState.FAILED and slot.result > 1:
            return result_sentence(slot.result)
        return f"{FAILURES.get(reading.result, 'the device failed')} (Firmware Update result {reading.result})"
