"""The firmware of a simulated MCU: all that exists from one start to the next loss of power."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.client.oscore import JournalStates
from lwm2m_ml_simulator.device.clock import DeviceClock
from lwm2m_ml_simulator.device.data_feed import keep_moving
from lwm2m_ml_simulator.device.device_security import JournalAccounts
from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.device.object_ids import (
    FIRMWARE_UPDATE,
    GATEWAY,
    ML_CAPABILITIES,
    ML_LEARNING,
    ML_MODEL,
    ML_RESULT,
    MODEL_CONFIGURATION,
    SOFTWARE_MANAGEMENT,
)
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.inference.figures import Result
from lwm2m_ml_simulator.inference.inference import InferenceEngine
from lwm2m_ml_simulator.inference.links import Links
from lwm2m_ml_simulator.inference.log import InferenceLog
from lwm2m_ml_simulator.inference.outbox import Outbox
from lwm2m_ml_simulator.inference.sensor import Sensor
from lwm2m_ml_simulator.inference.series import SeriesCounter
from lwm2m_ml_simulator.learning.examples import ExampleStore
from lwm2m_ml_simulator.learning.learner import Learner
from lwm2m_ml_simulator.memory.flash import Flash, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.download import Download
from lwm2m_ml_simulator.modules.http_download import SCHEMES as HTTP_SCHEMES
from lwm2m_ml_simulator.modules.intake import Intake
from lwm2m_ml_simulator.modules.modules import ModuleManager
from lwm2m_ml_simulator.modules.reception import Reception
from lwm2m_ml_simulator.modules.settings import SettingsStore, SlotSettings
from lwm2m_ml_simulator.modules.staging import Staging, StagingArea
from lwm2m_ml_simulator.modules.trial import TrialSupervisor
from lwm2m_ml_simulator.modules.trust import TrustStore
from lwm2m_ml_simulator.network.radio import Radio
from lwm2m_ml_simulator.objects.base import ObjectInstance
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData, Samples
from lwm2m_ml_simulator.objects.data import DataInstance
from lwm2m_ml_simulator.objects.device import Device
from lwm2m_ml_simulator.objects.firmware_update import FirmwareUpdate
from lwm2m_ml_simulator.objects.ml_capabilities import MlCapabilities
from lwm2m_ml_simulator.objects.ml_learning import MlLearning
from lwm2m_ml_simulator.objects.ml_model import MlModel
from lwm2m_ml_simulator.objects.ml_probe import MlProbe
from lwm2m_ml_simulator.objects.ml_result import MlResult
from lwm2m_ml_simulator.objects.model_configuration import ModelConfiguration
from lwm2m_ml_simulator.objects.software_management import SoftwareManagement
from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import ModuleMachine

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Board:
    """The hardware of one device and the world around it: what stays when the power goes."""

    profile: DeviceProfile
    flash: Flash
    sensor: Sensor
    faults: FaultInjector
    inferences: InferenceLog
    radio: Radio
    clock: DeviceClock
    trust_anchors: Sequence[VerificationKey]
    trust_roots: Sequence[VerificationKey] = ()
    journal: Callable[[FlashRegion], Journal] = Journal
    pool: EmulationPool | None = None
    data: tuple[DataInstance, ...] = ()
    claims: dict[ObjectPath, Value] = field(default_factory=dict)
    behind: Mapping[str, EndDevice] = field(default_factory=dict)
    on_acknowledged: Callable[[Sequence[Record]], None] = lambda records: None
    examples: ExampleStore = field(default_factory=ExampleStore)


class Firmware:
    """One run of the firmware. `on_reboot` is called when the device has to restart."""

    def __init__(
        self, board: Board, server_uri: str, catalogue: Catalogue, on_reboot: Callable[[], None] = lambda: None
    ) -> None:
        profile, flash = board.profile, board.flash
        self._board = board
        self._on_reboot = on_reboot
        journal = board.journal(FlashRegion(flash, 0, profile.journal_bytes))
        regions = [FlashRegion(flash, start, profile.region_bytes) for start in profile.slot_starts]
        machine = ModuleMachine(
            profile.target, profile.clock_hz, board.pool, executed_share=profile.executed_share, seed=profile.seed
        )
        trust = TrustStore(journal, board.trust_anchors, board.trust_roots, board.clock)
        self.modules = ModuleManager(profile, journal, regions, machine, trust)
        settings = SettingsStore(journal, SlotSettings(profile.trial_period, profile.inference_period_ms))
        self.supervisor = TrialSupervisor(self.modules, settings)
        self.engine = InferenceEngine(
            self.modules,
            machine,
            board.sensor,
            board.inferences,
            settings=settings,
            supervisor=self.supervisor,
            faults=board.faults,
            series=SeriesCounter(journal),
        )
        area = None
        if profile.staging_bytes:
            area = StagingArea(FlashRegion(flash, profile.staging_start, profile.staging_bytes))
        self.intakes = [
            Intake(self.modules, Staging(journal, number, region, area), self._download)
            for number, region in enumerate(regions)
        ]
        device = Device(profile.identity, clock=board.clock)
        device.on_reboot = on_reboot
        self.results = [MlResult(number, self.engine) for number in range(profile.slots)]
        self.learners = self._learners()
        self._firmware_update: FirmwareUpdate | None = None
        self.client = Lwm2mClient(
            profile.endpoint,
            profile.security.account(server_uri, profile.lifetime),
            [
                device,
                MlCapabilities(self.modules, trust),
                *self._delivery_objects(journal, on_reboot),
                *(
                    MlModel(
                        number,
                        self.modules,
                        self.engine,
                        settings,
                        self.supervisor,
                        delivered_by=self._delivery_link(number),
                    )
                    for number in range(profile.slots)
                ),
                *self.results,
                *(MlLearning(learner) for learner in self.learners),
                MlProbe(self.modules, machine),
                *board.data,
            ],
            version=profile.version,
            catalogue=catalogue,
            radio=board.radio,
            account_store=JournalAccounts(journal),
            connection_ids=profile.security.connection_id,
            oscore=profile.security.oscore.instance() if profile.security.oscore is not None else None,
            oscore_states=JournalStates(journal),
            coap_settings=profile.coap_settings,
        )
        self.client.tree.claims = board.claims
        self.links = self.engine.links = Links(
            profile.slots, self.engine.outputs, self.client.tree, board.behind, self._passed_on, self.client.notify
        )
        self.client.let_through(board.behind)
        self.follow_end_devices()
        self._outbox = Outbox(self._send)
        self._tasks: list[asyncio.Task[None]] = []
        self.modules.on_change = self._slot_changed
        self.engine.on_result = self._result_made
        self.engine.on_capture = self._captured

    def follow_end_devices(self) -> None:
        """Tell servers of all devices behind this one, a gateway."""
        for device in self._board.behind.values():
            self.client.tree.add(device.entry())
            self.client.notify(ObjectPath(GATEWAY, device.number))
        if self._board.behind:
            self.client.update()

    async def start(self) -> None:
        """Bring the modules into order, register, go on with what was under way, infer."""
        trial_began = await self.modules.boot()
        if self._firmware_update is not None:
            self._firmware_update.booted(trial_began)
        self._wake()
        await self.client.start()
        for intake in self.intakes:
            intake.resume()
        endpoint = self._board.profile.endpoint
        self._tasks = [
            asyncio.create_task(self.engine.run(), name=f"{endpoint} inference"),
            asyncio.create_task(self._outbox.run(), name=f"{endpoint} outbox"),
            *keep_moving(self.client, self._board.data),
        ]
        for task in self._tasks:
            task.add_done_callback(self._watch)

    async def stop(self, *, deregister: bool) -> None:
        """End all that runs; without power nobody is told."""
        self.supervisor.stop()
        for learner in self.learners:
            await learner.stop()
        if self._firmware_update is not None:
            self._firmware_update.stop()
        for intake in self.intakes:
            intake.stop()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            # Whatever broke it, the watchdog has told.
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self._tasks = []
        await self.client.stop(deregister=deregister)

    async def _send(self, records: Sequence[Record]) -> bool:
        acknowledged = await self.client.send(records)
        if acknowledged:
            self._board.on_acknowledged(records)
        return acknowledged

    def _watch(self, task: asyncio.Task[None]) -> None:
        """The watchdog: firmware whose main loop broke restarts."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PowerCut):
            _log.error("watchdog", endpoint=self._board.profile.endpoint, task=task.get_name(), exc_info=error)
            self._on_reboot()

    def _learners(self) -> list[Learner]:
        """One for each slot of a device that learns."""
        slots = range(self._board.profile.slots if self._board.profile.learns else 0)
        learners = [Learner(slot, self.modules, self._board.examples) for slot in slots]
        for learner in learners:
            path = f"/{ML_LEARNING}/{learner.slot}"
            learner.on_change = self._notifier(lambda: None, f"{path}/1", f"{path}/2")
        return learners

    def _download(self, reception: Reception) -> Download:
        return Download(self.client.coap, reception, self._board.profile.fetch, self._board.faults)

    def _delivery_objects(self, journal: Journal, on_reboot: Callable[[], None]) -> list[ObjectInstance]:
        if self._board.profile.delivery is DeliveryObject.FIRMWARE_UPDATE:
            profile = self._board.profile
            http = HTTP_SCHEMES if profile.fetch.http else frozenset[str]()
            update = FirmwareUpdate(
                self.modules,
                self.intakes,
                journal,
                schemes=lambda: self.client.coap.schemes | http,
                preferred=http if profile.fetch.http_first else (),
                method=profile.delivery_method,
                defers=profile.defers_updates,
            )
            update.on_reboot = on_reboot
            update.on_change = self._notifier(lambda: None, "/5/0/3", "/5/0/5")
            self._firmware_update = update
            for intake in self.intakes:
                intake.on_change = self._notifier(update.intake_changed, "/5/0/3", "/5/0/5")
            return [update]
        instances: list[ObjectInstance] = []
        if self._board.profile.delivery is DeliveryObject.MODEL_CONFIGURATION:
            for intake in self.intakes:
                path = f"/{MODEL_CONFIGURATION}/{intake.number}"
                intake.on_change = self._notifier(lambda: None, f"{path}/2", f"{path}/13")
                configuration = ModelConfiguration(self.modules, intake, lambda: self.links)
                configuration.on_change = self.engine.slots_changed
                instances.append(configuration)
            return instances
        for intake in self.intakes:
            software = SoftwareManagement(self.modules, intake, journal)
            path = f"/{SOFTWARE_MANAGEMENT}/{intake.number}"
            intake.on_change = self._notifier(software.intake_changed, f"{path}/7", f"{path}/9")
            instances.append(software)
        return instances

    def _delivery_link(self, slot: int) -> ObjectLink:
        if self._firmware_update is not None:
            return ObjectLink(FIRMWARE_UPDATE, 0)
        if self._board.profile.delivery is DeliveryObject.MODEL_CONFIGURATION:
            return ObjectLink(MODEL_CONFIGURATION, slot)
        return ObjectLink(SOFTWARE_MANAGEMENT, slot)

    def _notifier(self, changed: Callable[[], None], *paths: str) -> Callable[[], None]:
        def on_change() -> None:
            changed()
            self.client.notify(*paths)

        return on_change

    def _slot_changed(self, number: int) -> None:
        self._wake()
        capabilities = ObjectPath(ML_CAPABILITIES, 0)
        model = ObjectPath(ML_MODEL, number)
        delivery = self._delivery_link(number).path
        self.client.notify(model, delivery, *(capabilities.child(resource) for resource in (5, 7, 10)))

    def _wake(self) -> None:
        self.supervisor.slots_changed()
        self.engine.slots_changed()

    def _result_made(self, slot: int, result: Result) -> None:
        self.results[slot].remember(result)
        outcome, model = ObjectPath(ML_RESULT, slot), ObjectPath(ML_MODEL, slot)
        figures = self.engine.figures(slot).latency
        self.client.notify(outcome, model.child(25), model.child(27))
        if not self.client.can_send:  # Who has LwM2M 1.0 only is observed instead.
            return
        records = [
            Record(outcome.child(1), result.decided),
            Record(outcome.child(3), result.confidence),
            *(Record(outcome.child(4).child(index), score) for index, score in enumerate(result.scores)),
            Record(outcome.child(5), result.number),
            Record(outcome.child(16), result.series),
            Record(model.child(25), figures.inferences),
        ]
        module = self.modules.loaded(slot)
        if module is not None:
            records.append(Record(model.child(8), module.sequence_number))
        if figures.last is not None:
            records.append(Record(model.child(27), figures.last))
        self._outbox.put(records)

    def _captured(self, slot: int, data: bytes, description: str) -> None:
        module = self.modules.loaded(slot)
        if module is None:
            return
        self._keep_data(slot, Samples(data, module.descriptor.inputs[0]), description)
        self.results[slot].captured = ObjectLink(BinaryAppData.object_id, slot)
        self.client.notify(ObjectPath(ML_RESULT, slot, 12))

    def _passed_on(self, instance: int, samples: Samples) -> None:
        self._keep_data(instance, samples, "passed on")

    def _keep_data(self, instance: int, samples: Samples, description: str) -> None:
        """Put samples into an instance of object 19; servers hear of an instance that is new."""
        path = ObjectPath(BinaryAppData.object_id, instance)
        is_new = self.client.tree.find(path) is None
        self.client.tree.add(BinaryAppData.of(instance, samples, description))
        if is_new:
            self.client.update()
        self.client.notify(path)
