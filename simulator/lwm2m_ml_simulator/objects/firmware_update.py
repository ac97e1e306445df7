"""Object 5, Firmware Update: the road of devices that take a new module by rebooting into it (Core TS §E.6).

The package goes into the free slot; Update lets the next boot begin its trial.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from aiocoap import Code

from lwm2m_ml.lwm2m.firmware_update import (
    EXECUTABLE,
    RESET_PACKAGE,
    RESET_URI,
    RESULTS,
    URI_SCHEMES,
    WRITABLE,
    DeliveryMethod,
    Event,
    Resource,
    Severity,
    State,
    UpdateResult,
)
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.object_ids import FIRMWARE_UPDATE
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.fetching import DownloadProblem
from lwm2m_ml_simulator.modules.intake import Intake, Phase
from lwm2m_ml_simulator.modules.modules import ModuleManager
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)

_RESULT_KEY = 2
_MAXIMUM_URI_BYTES = 255
RESULT_OF_PROBLEM: Mapping[DownloadProblem | ModuleResult, UpdateResult] = {
    DownloadProblem.STORAGE: UpdateResult.NOT_ENOUGH_STORAGE,
    DownloadProblem.CONNECTION_LOST: UpdateResult.CONNECTION_LOST,
    DownloadProblem.INVALID_URI: UpdateResult.INVALID_URI,
    DownloadProblem.DEVICE_ERROR: UpdateResult.UPDATE_FAILED,
    DownloadProblem.UNSUPPORTED_PROTOCOL: UpdateResult.UNSUPPORTED_PROTOCOL,
    ModuleResult.STORAGE_TOO_SMALL: UpdateResult.NOT_ENOUGH_STORAGE,
    ModuleResult.WORKING_MEMORY_TOO_SMALL: UpdateResult.OUT_OF_MEMORY,
    ModuleResult.WRONG_VENDOR_OR_CLASS: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
    ModuleResult.OPERATOR_MISSING: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
    ModuleResult.RUNTIME_VERSION_MISMATCH: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
}


class FirmwareUpdate(ObjectInstance):
    """The one update machine of the device, over all of its slots. `on_reboot` is called when Update is executed."""

    object_id = FIRMWARE_UPDATE

    def __init__(
        self,
        modules: ModuleManager,
        intakes: Sequence[Intake],
        journal: Journal,
        *,
        schemes: Callable[[], Collection[str]] = lambda: ("coap",),
        preferred: Collection[str] = (),
        method: DeliveryMethod = DeliveryMethod.BOTH,
        defers: float = 0.0,
    ) -> None:
        """`defers`: for how many seconds the device's user puts off updates that he may put off."""
        super().__init__(0)
        self._schemes = schemes
        self._preferred = preferred
        self._method = method
        self._defers = defers
        self._severity = int(Severity.MANDATORY)
        self._maximum_defer = 0
        self._due: asyncio.TimerHandle | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._changed_at: int | None = None
        self.on_reboot: Callable[[], None] = lambda: None
        self._modules = modules
        self._intakes = intakes
        self._journal = journal
        self._uri = ""
        self._result = UpdateResult(int.from_bytes(journal.get(_RESULT_KEY) or b""))

    @property
    def state(self) -> State:
        """The state of the machine, read off the slots. A deferred update is forgotten by a reboot, not its package."""
        if self._modules.bank.boot_into is not None:
            return State.UPDATING
        intake = self._busy_intake()
        if intake is None:
            return State.IDLE
        return State.DOWNLOADED if intake.phase is Phase.DELIVERED else State.DOWNLOADING

    def booted(self, trial_began: bool | None) -> None:
        """Tell how the reboot into the new module went; None when this boot was an ordinary one."""
        if trial_began is not None:
            self._remember(RESULTS[Event.UPDATE_SUCCEEDS if trial_began else Event.UPDATE_FAILS])

    def intake_changed(self) -> None:
        """The package moved on, or failed to: remember the result."""
        problem = next((intake.problem for intake in self._intakes if intake.problem is not None), None)
        if problem is None:
            self._remember(UpdateResult.INITIAL)
        else:
            self._remember(RESULT_OF_PROBLEM.get(problem, UpdateResult.INTEGRITY_CHECK_FAILED))

    @writable(Resource.PACKAGE)
    def write_package(self, value: ResourceValue) -> None:
        """Package: taken in at once (push); a NUL byte resets the machine."""
        if not isinstance(value, bytes):
            raise OperationRefused(Code.BAD_REQUEST, "a package is opaque")
        if value in {RESET_PACKAGE, b""}:
            self._reset(Event.RESET)
            return
        self._refuse_unless_method(DeliveryMethod.PUSH)
        self._refuse_unless_writable(Resource.PACKAGE)
        self._free_intake().push(value)

    @readable(Resource.PACKAGE_URI)
    def package_uri(self) -> str:
        """Package URI."""
        return self._uri

    @writable(Resource.PACKAGE_URI)
    def write_package_uri(self, value: ResourceValue) -> None:
        """Package URI: fetched from now on (pull); an empty text resets the machine."""
        if not isinstance(value, str) or len(value.encode()) > _MAXIMUM_URI_BYTES:
            raise OperationRefused(Code.BAD_REQUEST, "a package URI is a text of at most 255 bytes")
        if value == RESET_URI:
            self._reset(Event.RESET)
            return
        self._refuse_unless_method(DeliveryMethod.PULL)
        self._refuse_unless_writable(Resource.PACKAGE_URI)
        intake = self._free_intake()
        self._uri = value
        intake.pull(value)

    @executable(Resource.UPDATE)
    def update(self, arguments: Arguments) -> None:
        """Update: reboot into the new module."""
        intake = self._busy_intake()
        if intake is None or self.state not in EXECUTABLE[Resource.UPDATE]:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the firmware update is {self.state.name.lower()}")
        self._put_off()
        deferral = min(self._defers, self._maximum_defer)
        if deferral > 0 and self._severity != Severity.CRITICAL:
            self._remember(RESULTS[Event.UPDATE_DEFERRED])
            self._due = asyncio.get_running_loop().call_later(deferral, self._boot_into, intake.number)
            return
        self._boot_into(intake.number)

    def _boot_into(self, slot: int) -> None:
        self._due = None
        self._remember(RESULTS[Event.UPDATE_EXECUTED])
        self._modules.bank.schedule_boot(slot)
        self.on_change()
        self.on_reboot()

    def _put_off(self) -> None:
        """Forget a deferred update: another one, a reset or a reboot takes its place."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def stop(self) -> None:
        """Do nothing more: the device is switched off."""
        self._put_off()

    @readable(Resource.STATE)
    def read_state(self) -> int:
        """State."""
        return int(self.state)

    @readable(Resource.UPDATE_RESULT)
    def update_result(self) -> int:
        """Update Result."""
        return int(self._result)

    @readable(Resource.PACKAGE_NAME)
    def package_name(self) -> str:
        """PkgName: the model's name."""
        module = self._modules.in_use
        return module.descriptor.model_name if module else ""

    @readable(Resource.PACKAGE_VERSION)
    def package_version(self) -> str:
        """PkgVersion: the model's version."""
        module = self._modules.in_use
        return module.descriptor.model_version if module else ""

    @readable(Resource.PROTOCOL_SUPPORT)
    def protocols(self) -> dict[int, int]:
        """Firmware Update Protocol Support: what the device has a transport for, what it prefers first."""
        spoken = [scheme for scheme in self._schemes() if scheme in URI_SCHEMES]
        spoken.sort(key=lambda scheme: (scheme not in self._preferred, URI_SCHEMES[scheme]))
        return {index: int(URI_SCHEMES[scheme]) for index, scheme in enumerate(spoken)}

    @readable(Resource.DELIVERY_METHOD)
    def delivery_method(self) -> int:
        """Firmware Update Delivery Method."""
        return int(self._method)

    @executable(Resource.CANCEL)
    def cancel(self, arguments: Arguments) -> None:
        """Cancel what is downloading or downloaded."""
        if self.state not in EXECUTABLE[Resource.CANCEL]:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the firmware update is {self.state.name.lower()}")
        self._reset(Event.CANCELLED)

    @readable(Resource.SEVERITY)
    def read_severity(self) -> int:
        """Severity: 0 critical, 1 mandatory, 2 optional."""
        return self._severity

    @writable(Resource.SEVERITY)
    def write_severity(self, value: ResourceValue) -> None:
        """Keep how urgent the package is: a critical one is never deferred."""
        if value not in set(map(int, Severity)) or not isinstance(value, int):
            raise OperationRefused(Code.BAD_REQUEST, "a severity is 0, 1 or 2")
        self._severity = value

    @readable(Resource.MAXIMUM_DEFER_PERIOD)
    def maximum_defer(self) -> int:
        """Maximum Defer Period in seconds; 0: an update must not be deferred."""
        return self._maximum_defer

    @writable(Resource.MAXIMUM_DEFER_PERIOD)
    def write_maximum_defer(self, value: ResourceValue) -> None:
        """Keep for how long the user may put the update off."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise OperationRefused(Code.BAD_REQUEST, "a number of seconds is needed")
        self._maximum_defer = value

    @readable(Resource.LAST_STATE_CHANGE_TIME)
    def last_state_change(self) -> int | None:
        """Last State Change Time, since the last reboot."""
        return self._changed_at

    def _busy_intake(self) -> Intake | None:
        for intake in self._intakes:
            staged = self._modules.slot(intake.number).state is ModuleState.STAGED
            if staged or intake.phase in {Phase.DOWNLOADING, Phase.DOWNLOADED}:
                return intake
        return None

    def _free_intake(self) -> Intake:
        """Choose the slot for a new package: best an empty one, else one that failed, else the one that stands by."""
        order = [ModuleState.EMPTY, ModuleState.FAILED, ModuleState.STANDBY]
        free = [intake for intake in self._intakes if self._modules.bank.is_free(intake.number)]
        if not free:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "no slot is free while a trial is running")
        return min(free, key=lambda intake: order.index(self._modules.slot(intake.number).state))

    def _reset(self, event: Event) -> None:
        if self.state is State.UPDATING:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the update has begun")
        self._put_off()
        intake = self._busy_intake()
        if intake is not None:
            intake.discard()
        self._uri = ""
        for other in self._intakes:
            other.problem = None
        self._remember(RESULTS[event])

    def _refuse_unless_method(self, method: DeliveryMethod) -> None:
        if self._method not in {method, DeliveryMethod.BOTH}:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"this device does not take packages by {method.name}")

    def _refuse_unless_writable(self, resource: Resource) -> None:
        if self.state not in WRITABLE[resource]:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the firmware update is {self.state.name.lower()}")

    def _remember(self, result: UpdateResult) -> None:
        self._journal.put(_RESULT_KEY, bytes([result]))
        self._result = result
        self._changed_at = int(time.time())
