"""Object 9, Software Management: one instance per module slot (OMA-TS-LWM2M_SwMgmt-V1_0 §5.1, E.1).

The state is read off the slot and its intake, so it is right after every reboot; only what those cannot tell (that the
package was installed, and the last result) has a journal record of its own.
"""

from collections.abc import Mapping

import cbor2
from aiocoap import Code

from lwm2m_ml.lwm2m.software_management import (
    EXECUTABLE,
    RESULTS,
    Event,
    Resource,
    Uninstall,
    UpdateResult,
    UpdateState,
)
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.object_ids import SOFTWARE_MANAGEMENT
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.fetching import DownloadProblem
from lwm2m_ml_simulator.modules.intake import Intake, Phase
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.slots import IN_USE
from lwm2m_ml_simulator.objects.base import (
    Arguments,
    ObjectInstance,
    OperationRefused,
    ResourceValue,
    executable,
    readable,
    writable,
)

_RECORD_KEY = 48
_MAXIMUM_URI_BYTES = 255
_STATE_OF_PHASE = {
    Phase.IDLE: UpdateState.INITIAL,
    Phase.DOWNLOADING: UpdateState.DOWNLOAD_STARTED,
    Phase.DOWNLOADED: UpdateState.DOWNLOADED,
}
RESULT_OF_PROBLEM: Mapping[DownloadProblem | ModuleResult, UpdateResult] = {
    DownloadProblem.STORAGE: UpdateResult.NOT_ENOUGH_STORAGE,
    DownloadProblem.CONNECTION_LOST: UpdateResult.CONNECTION_LOST,
    DownloadProblem.INVALID_URI: UpdateResult.INVALID_URI,
    DownloadProblem.UNSUPPORTED_PROTOCOL: UpdateResult.INVALID_URI,
    ModuleResult.SIGNATURE_INVALID: UpdateResult.INTEGRITY_CHECK_FAILED,
    ModuleResult.DIGEST_MISMATCH: UpdateResult.INTEGRITY_CHECK_FAILED,
    ModuleResult.DECODING_FAILED: UpdateResult.INTEGRITY_CHECK_FAILED,
    ModuleResult.DECRYPTION_FAILED: UpdateResult.INTEGRITY_CHECK_FAILED,
    ModuleResult.STORAGE_TOO_SMALL: UpdateResult.NOT_ENOUGH_STORAGE,
    ModuleResult.WORKING_MEMORY_TOO_SMALL: UpdateResult.OUT_OF_MEMORY,
    ModuleResult.WRONG_VENDOR_OR_CLASS: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
    ModuleResult.OPERATOR_MISSING: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
    ModuleResult.RUNTIME_VERSION_MISMATCH: UpdateResult.UNSUPPORTED_PACKAGE_TYPE,
}


class SoftwareManagement(ObjectInstance):
    """The life of the package in one slot, as the standard tells it."""

    object_id = SOFTWARE_MANAGEMENT

    def __init__(self, modules: ModuleManager, intake: Intake, journal: Journal) -> None:
        super().__init__(intake.number)
        self._modules = modules
        self._intake = intake
        self._journal = journal
        stored = journal.get(_RECORD_KEY + self.instance_id)
        installed, result = cbor2.loads(stored) if stored else (False, UpdateResult.INITIAL)
        self._installed = bool(installed)
        self._result = UpdateResult(result)

    @property
    def _module(self) -> LoadedModule | None:
        return self._modules.loaded(self.instance_id)

    @property
    def _slot_state(self) -> ModuleState:
        return self._modules.slot(self.instance_id).state

    @property
    def state(self) -> UpdateState:
        """The state of the installation machine."""
        if self._slot_state in {*IN_USE, ModuleState.STANDBY}:
            return UpdateState.INSTALLED
        if self._slot_state is ModuleState.EMPTY:
            return _STATE_OF_PHASE[self._intake.phase]
        if self._installed:
            return UpdateState.INSTALLED
        return UpdateState.DELIVERED if self._slot_state is ModuleState.STAGED else UpdateState.INITIAL

    def intake_changed(self) -> None:
        """The package moved on, or failed to: remember the result."""
        if self._intake.problem is not None:
            result = RESULT_OF_PROBLEM.get(self._intake.problem, UpdateResult.DEVICE_ERROR)
        elif self._intake.phase in {Phase.DOWNLOADING, Phase.DOWNLOADED}:
            result = RESULTS[Event.DOWNLOAD_BEGINS]
        elif self._slot_state is ModuleState.STAGED:
            result = RESULTS[Event.PACKAGE_ACCEPTED]
        else:
            result = UpdateResult.INITIAL
        self._remember(installed=False, result=result)

    @readable(Resource.PACKAGE_NAME)
    def package_name(self) -> str:
        """PkgName: the model's name."""
        return self._module.descriptor.model_name if self._module else ""

    @readable(Resource.PACKAGE_VERSION)
    def package_version(self) -> str:
        """PkgVersion: the model's version."""
        return self._module.descriptor.model_version if self._module else ""

    @writable(Resource.PACKAGE)
    def write_package(self, value: ResourceValue) -> None:
        """Package: taken in at once (push)."""
        self._refuse_unless_initial()
        if not isinstance(value, bytes):
            raise OperationRefused(Code.BAD_REQUEST, "a package is opaque")
        self._intake.push(value)

    @writable(Resource.PACKAGE_URI)
    def write_package_uri(self, value: ResourceValue) -> None:
        """Package URI: fetched from now on (pull)."""
        self._refuse_unless_initial()
        if not isinstance(value, str) or len(value.encode()) > _MAXIMUM_URI_BYTES:
            raise OperationRefused(Code.BAD_REQUEST, "a package URI is a text of at most 255 bytes")
        self._intake.pull(value)

    @executable(Resource.INSTALL)
    def install(self, arguments: Arguments) -> None:
        """Install: verify once more; the module is ready to be activated then."""
        self._refuse_unless(Resource.INSTALL)
        event = Event.INSTALL_SUCCEEDS if self._modules.recheck(self.instance_id) else Event.INSTALL_FAILS
        self._remember(installed=event is Event.INSTALL_SUCCEEDS, result=RESULTS[event])

    @executable(Resource.UNINSTALL)
    def uninstall(self, arguments: Arguments) -> None:
        """Uninstall: the slot is empty afterwards, for good or for an update (argument 1)."""
        self._refuse_unless(Resource.UNINSTALL)
        if arguments and set(arguments) - {Uninstall.REMOVE, Uninstall.FOR_UPDATE}:
            raise OperationRefused(Code.BAD_REQUEST, "Uninstall has the argument 0 or 1")
        self._modules.deactivate(self.instance_id)
        if not self._modules.bank.is_free(self.instance_id):
            raise IllegalTransition("the module is needed if the trial of another one fails")
        self._intake.discard()

    @readable(Resource.UPDATE_STATE)
    def update_state(self) -> int:
        """Update State."""
        return int(self.state)

    @readable(Resource.UPDATE_RESULT)
    def update_result(self) -> int:
        """Update Result."""
        return int(self._result)

    @executable(Resource.ACTIVATE)
    async def activate(self, arguments: Arguments) -> None:
        """Activate: self-test, then trial. How that went is told by the ML Model object, not by the answer."""
        self._refuse_unless(Resource.ACTIVATE)
        if self._slot_state not in IN_USE:
            await self._modules.activate(self.instance_id)

    @executable(Resource.DEACTIVATE)
    def deactivate(self, arguments: Arguments) -> None:
        """Deactivate: the module stays installed and rests."""
        self._refuse_unless(Resource.DEACTIVATE)
        self._modules.deactivate(self.instance_id)

    @readable(Resource.ACTIVATION_STATE)
    def activation_state(self) -> bool:
        """Activation State."""
        return self._slot_state in IN_USE

    def _remember(self, *, installed: bool, result: UpdateResult) -> None:
        self._journal.put(_RECORD_KEY + self.instance_id, cbor2.dumps([installed, int(result)]))
        self._installed, self._result = installed, result

    def _refuse_unless(self, resource: Resource) -> None:
        if self.state not in EXECUTABLE[resource]:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the software is {self.state.name.lower()}")

    def _refuse_unless_initial(self) -> None:
        if self.state is not UpdateState.INITIAL:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"the software is {self.state.name.lower()}")
