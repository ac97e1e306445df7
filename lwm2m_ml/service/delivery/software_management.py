"""The road of object 9, Software Management: live delivery into one of several slots (OMA-TS-LWM2M_SwMgmt-V1_0 §5.1).

    URI written → downloads → downloaded → delivered → Install → installed → Activate → trial

"Delivered" means that the device has checked signature and digest while the module was still staged.
"""

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.service.delivery.machine import Action, Event, Memory, Phase, Table
from lwm2m_ml.service.delivery.road import Reading, Road, read_integer
from lwm2m_ml.service.delivery.slots import Slot, SlotStatus, result_sentence
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.resources import SOFTWARE_MANAGEMENT_OBJECT, SoftwareManagementResource

INITIAL, DOWNLOAD_STARTED, DOWNLOADED, DELIVERED, INSTALLED = range(5)
FIRST_FAILURE = 50
CONNECTION_LOST = 52
INVALID_URI = 56
TRANSFER_FAILURES = frozenset({CONNECTION_LOST, INVALID_URI})

FAILURES = {
    50: "not enough storage for the package",
    51: "out of memory while downloading",
    52: "connection lost while downloading",
    53: "package integrity check failed",
    54: "unsupported package type",
    56: "invalid package URI",
    57: "the device's own error",
    58: "installation failed",
    59: "uninstallation failed",
}

# Nothing is deferred: an installation needs no reboot.
PHASES = tuple(phase for phase in Phase if not phase.final and phase is not Phase.DEFERRED)

TABLE: Table = {
    (Phase.RESUMING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.REFUSED): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.RESUMING, Event.BROKEN): (Phase.CLEARING, Action.CLEAR),
    (Phase.RESUMING, Event.OCCUPIED): (Phase.CLEARING, Action.CLEAR),
    (Phase.RESUMING, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.RESUMING, Event.FETCHED): (Phase.CHECKING, Action.WAIT),
    (Phase.RESUMING, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.RESUMING, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.RESUMING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.CLEARING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.CLEARING, Event.REFUSED): (Phase.OFFERED, Action.OFFER),
    (Phase.CLEARING, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.CLEARING, Event.STUCK): (Phase.CLEARING, Action.CLEAR),
    (Phase.OFFERED, Event.TRANSFERRING): (Phase.TRANSFER, Action.WAIT),
    (Phase.OFFERED, Event.FETCHED): (Phase.CHECKING, Action.WAIT),
    (Phase.OFFERED, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.OFFERED, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.OFFERED, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.OFFERED, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.OFFERED, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.OFFERED, Event.STUCK): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.FETCHED): (Phase.CHECKING, Action.WAIT),
    (Phase.TRANSFER, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.TRANSFER, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.TRANSFER, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.TRANSFER, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.OCCUPIED): (Phase.CLEARING, Action.CLEAR),
    (Phase.TRANSFER, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.TRANSFER, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.TRANSFER, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.TRANSFER, Event.STUCK): (Phase.OFFERED, Action.OFFER),
    (Phase.CHECKING, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.CHECKING, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.CHECKING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.CHECKING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.CHECKING, Event.OCCUPIED): (Phase.CLEARING, Action.CLEAR),
    (Phase.CHECKING, Event.LOST): (Phase.OFFERED, Action.OFFER),
    (Phase.CHECKING, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.CHECKING, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.CHECKING, Event.STUCK): (Phase.CLEARING, Action.CLEAR),
    (Phase.INSTALLING, Event.INSTALLED): (Phase.ACTIVATING, Action.ACTIVATE),
    (Phase.INSTALLING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.INSTALLING, Event.EMPTY): (Phase.OFFERED, Action.OFFER),
    (Phase.INSTALLING, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.INSTALLING, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.INSTALLING, Event.STUCK): (Phase.INSTALLING, Action.INSTALL),
    (Phase.ACTIVATING, Event.RUNNING): (Phase.DONE, Action.FINISH),
    (Phase.ACTIVATING, Event.READY): (Phase.INSTALLING, Action.INSTALL),
    (Phase.ACTIVATING, Event.REFUSED): (Phase.FAILED, Action.FAIL),
    (Phase.ACTIVATING, Event.BROKEN): (Phase.FAILED, Action.FAIL),
    (Phase.ACTIVATING, Event.STUCK): (Phase.ACTIVATING, Action.ACTIVATE),
} | {(phase, Event.REBOOTED): (Phase.RESUMING, Action.WAIT) for phase in PHASES}


_BEFORE_DELIVERY = {INITIAL: Event.EMPTY, DOWNLOAD_STARTED: Event.TRANSFERRING, DOWNLOADED: Event.FETCHED}


class SoftwareManagement(Road):
    """Drives one instance of object 9."""

    name = "Software Management"
    table = TABLE
    transfer_failures = TRANSFER_FAILURES

    def __init__(self, slot: Slot, digest: bytes) -> None:
        self.slot = slot
        self._digest = digest
        self._path = ObjectPath(SOFTWARE_MANAGEMENT_OBJECT, slot.delivery_instance)
        self.package = self._path.child(SoftwareManagementResource.PACKAGE)

    def observed(self) -> tuple[ObjectPath, ...]:
        """Return the resources whose changes are worth a look."""
        return (
            self._path.child(SoftwareManagementResource.UPDATE_STATE),
            self._path.child(SoftwareManagementResource.UPDATE_RESULT),
        )

    async def read(self, access: DeliveryAccess, endpoint: str) -> Reading:
        """Read state, result and activation."""
        state = await read_integer(access, endpoint, self._path.child(SoftwareManagementResource.UPDATE_STATE))
        result = await read_integer(access, endpoint, self._path.child(SoftwareManagementResource.UPDATE_RESULT))
        active = 0
        if state == INSTALLED:
            active = await read_integer(access, endpoint, self._path.child(SoftwareManagementResource.ACTIVATION_STATE))
        return Reading(state, result, bool(active))

    def classify(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """Turn what the device says into an event."""
        if reading.result >= FIRST_FAILURE and reading.result != memory.stale_result:
            return self._failure(reading)
        if reading.state in _BEFORE_DELIVERY:
            return _BEFORE_DELIVERY[reading.state]
        if slot.state is ModuleState.FAILED:
            return Event.BROKEN
        return self._after_delivery(reading, slot, memory)

    def _after_delivery(self, reading: Reading, slot: SlotStatus, memory: Memory) -> Event:
        """Tell our module from another's: by its digest, or without ML Model by whether we have offered one."""
        if slot.state is not None and not slot.tells_digest:
            return Event.FETCHED
        ours = slot.digest == self._digest if slot.tells_digest else memory.offered
        if not ours:
            return Event.OCCUPIED
        if reading.state == DELIVERED:
            return Event.READY
        return Event.RUNNING if reading.active else Event.INSTALLED

    def _failure(self, reading: Reading) -> Event:
        if reading.result == CONNECTION_LOST:
            return Event.LOST
        return Event.REFUSED if reading.state == INITIAL else Event.BROKEN

    async def offer(self, access: DeliveryAccess, endpoint: str, uri: str, package: bytes) -> None:
        """Write the Package URI."""
        await access.write(endpoint, self._path.child(SoftwareManagementResource.PACKAGE_URI), uri)

    async def clear(self, access: DeliveryAccess, endpoint: str) -> None:
        """Empty the slot: Uninstall for update, or plainly where a device does not know the argument."""
        path = self._path.child(SoftwareManagementResource.UNINSTALL)
        try:
            await access.execute(endpoint, path, "1")
        except Lwm2mMlError:
            await access.execute(endpoint, path)

    async def install(self, access: DeliveryAccess, endpoint: str) -> None:
        """Execute Install; allowed only in Delivered."""
        await access.execute(endpoint, self._path.child(SoftwareManagementResource.INSTALL))

    async def activate(self, access: DeliveryAccess, endpoint: str) -> None:
        """Execute Activate; the device starts the trial."""
        await access.execute(endpoint, self._path.child(SoftwareManagementResource.ACTIVATE))

    def failure_sentence(self, reading: Reading, slot: SlotStatus) -> str:
        """Say why the device refused: ML Model knows best, object 9 roughly."""
        if slot.state is ModuleState.FAILED and slot.result > 1:
            return result_sentence(slot.result)
        return f"{FAILURES.get(reading.result, 'the device failed')} (Software Management result {reading.result})"
