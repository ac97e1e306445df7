"""The modules of a device: verified into a slot, put on trial, confirmed, or taken back.

A device that is configured by object 513 runs modules of different models beside each other; a module takes the place
of the one of its own model. All other devices run one module, and the next one takes its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.module.streaming import StreamingVerifier
from lwm2m_ml_simulator.device.profile import RUNTIME_VERSION, DeviceProfile
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.learning.memory import without_learning
from lwm2m_ml_simulator.memory.flash import FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.configurations import Configurations
from lwm2m_ml_simulator.modules.slots import IN_USE, Slot, SlotBank, StagedModule
from lwm2m_ml_simulator.modules.trust import TrustStore
from lwm2m_ml_simulator.modules.unpacking import verify_unpacked
from lwm2m_ml_simulator.processor.machine import ModuleMachine

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module whose package was verified since the last boot; its code stays in flash, at `payload_offset`.

    The code is the image, or on devices that take whole images the end of it, behind `firmware_bytes` of firmware.
    """

    slot: int
    descriptor: Descriptor
    payload_offset: int
    payload_bytes: int
    digest: bytes
    sequence_number: int
    firmware_bytes: int = 0

    @property
    def working_memory_bytes(self) -> int:
        """Arena and stack."""
        return self.descriptor.working_memory_bytes

    @property
    def seen(self) -> Descriptor:
        """What applications see: the descriptor without the tensors that only learning reads and writes."""
        return without_learning(self.descriptor)


class ModuleManager:
    """Slots and the modules in them; `on_change` is called after every change of a slot's state."""

    def __init__(
        self,
        profile: DeviceProfile,
        journal: Journal,
        regions: Sequence[FlashRegion],
        machine: ModuleMachine,
        trust: TrustStore,
    ) -> None:
        self.profile = profile
        self.bank = SlotBank(journal, regions, trust.clock)
        self.configurations = Configurations(journal, len(regions))
        self.on_change: Callable[[int], None] = lambda number: None
        self.self_test_scores: dict[int, float] = {}
        self._regions = regions
        self.machine = machine
        self._trust = trust
        self._loaded: dict[int, LoadedModule] = {}
        self._log = _log.bind(endpoint=profile.endpoint)

    async def boot(self) -> bool | None:
        """Bring the slots into order after a start; tells whether the trial that this boot was to begin did begin.

        A trial that was running when the device stopped is over: it ends with "reset during trial". What is in use is
        verified again before it runs, as a secure boot does.
        """
        scheduled = self.bank.boot_into
        if scheduled is None:
            for slot in self.bank.on_trial:
                self._log.warning("reset_during_trial", slot=slot.number)
                self.bank.fail(slot.number, ModuleResult.RESET_DURING_TRIAL)
        self._load_all()
        self._follow_links()
        return None if scheduled is None else await self.activate(scheduled)

    @property
    def running(self) -> tuple[LoadedModule, ...]:
        """The modules that infer now, by slot."""
        return tuple(self._loaded[slot.number] for slot in self.bank.running if slot.number in self._loaded)

    @property
    def in_use(self) -> LoadedModule | None:
        """The module that infers now; the one in the first slot where several do."""
        return next(iter(self.running), None)

    @property
    def working_memory_used(self) -> int:
        """What all running modules take together: each has an arena and a stack of its own.

        Outputs stay in the arena until whoever is linked to them has read them, so arenas are not shared. A module on
        trial takes as much as the one that would come back, if that is more.
        """
        return sum(self._reserved(module) for module in self.running)

    def loaded(self, number: int) -> LoadedModule | None:
        """The verified module in a slot, if there is one."""
        return self._loaded.get(number)

    def payload(self, module: LoadedModule) -> bytes:
        """Read a module's machine code as it lies in flash at this moment."""
        return self._regions[module.slot].read(module.payload_offset, module.payload_bytes)

    def image(self, module: LoadedModule) -> bytes:
        """Read a module's image: its code, and the firmware around it where there is any."""
        start, length = module.payload_offset - module.firmware_bytes, module.payload_bytes + module.firmware_bytes
        return self._regions[module.slot].read(start, length)

    def payload_address(self, module: LoadedModule) -> int:
        """Where in the device's flash the machine code lies."""
        return self._regions[module.slot].start + module.payload_offset

    def clear(self, number: int) -> None:
        """Give a slot up, so that a new package may be written into it."""
        held = self._loaded.get(number)
        self.bank.clear(number)
        if held is not None:
            self.configurations.leave(number, held.descriptor.model_id)
        self._loaded.pop(number, None)
        self.self_test_scores.pop(number, None)
        self._changed(number)

    def verifier(self) -> StreamingVerifier:
        """Return a verifier for a package that arrives now."""
        return self._verifier(self.bank.sequence_floor, self._trust.keys)

    def stage(self, number: int, staged: StagedModule, descriptor: Descriptor) -> None:
        """Take over a verified package that lies in a slot."""
        self.bank.stage(number, staged)
        self.configurations.settle(number, descriptor.model_id)
        self._loaded[number] = self._load(number, staged, descriptor)
        self._changed(number)

    def reject(self, number: int, result: ModuleResult) -> None:
        """Mark a slot as failed because of what it holds or was to hold."""
        self._log.warning("package_rejected", slot=number, result=result.name)
        self._loaded.pop(number, None)
        self.bank.reject(number, result)
        self._changed(number)

    def recheck(self, number: int) -> bool:
        """Verify a staged package once more, before it is installed: flash may have rotted since."""
        slot = self.bank.slots[number]
        if slot.module is None:
            return False
        try:
            self._verify(number, slot.module)
        except ModuleRejected as rejection:
            self.reject(number, rejection.result)
            return False
        return True

    async def activate(self, number: int) -> bool:
        """Self-test a staged module, and only if that goes well put it on trial, perhaps in place of another.

        Raises IllegalTransition where it cannot run now: it stays staged.
        """
        module = self._loaded.get(number)
        if module is None or self.bank.slots[number].state not in {ModuleState.STAGED, ModuleState.STANDBY}:
            raise IllegalTransition(f"slot {number} holds no module that could be activated")
        self._replaced_by(module)
        if await self.self_test(module) < 100.0:
            self.reject(number, ModuleResult.SELF_TEST_MISMATCH)
            return False
        replaced = self._replaced_by(module)  # the self-test took time
        self._refuse_without_memory(module, replaced)
        if replaced is not None:
            self.configurations.inherit(number, replaced.number)
        self.bank.start_trial(number, replaced)
        self._log.info("trial_started", slot=number, model=module.descriptor.model_name)
        self._changed(number)
        return True

    def _replaced_by(self, module: LoadedModule) -> Slot | None:
        """Return the running slot that a module takes the place of; raises IllegalTransition while that is on trial."""
        rivals = [
            running
            for running in self.bank.running
            if not self.profile.runs_several_models or self._same_model(running.number, module)
        ]
        trial = next((slot for slot in rivals if slot.state is ModuleState.TRIAL), None)
        if trial is not None:
            raise IllegalTransition(f"slot {trial.number} is on trial, confirm or roll back that first")
        return rivals[0] if rivals else None

    def _refuse_without_memory(self, module: LoadedModule, replaced: Slot | None) -> None:
        before = self._loaded.get(replaced.number) if replaced is not None else None
        needed = max(module.working_memory_bytes, before.working_memory_bytes if before else 0)
        others = self.working_memory_used - (self._reserved(before) if before else 0)
        free = self.profile.working_memory_bytes - others
        if needed <= free:
            return
        self.bank.refuse(module.slot, ModuleResult.WORKING_MEMORY_TOO_SMALL)
        self._changed(module.slot)
        raise IllegalTransition(
            f"the module in slot {module.slot} needs {needed:,} B of working memory, the others leave {free:,} B: "
            "disable one of them first"
        )

    def _fits_again(self, number: int) -> bool:
        """Whether the predecessor finds room; nobody kept it free for it once the trial was over."""
        module, before = self._loaded.get(number), self.bank.slots[number].predecessor
        if module is None or before is None or before not in self._loaded:
            return True
        others = self.working_memory_used - self._reserved(module)
        return others + self._loaded[before].working_memory_bytes <= self.profile.working_memory_bytes

    def _reserved(self, module: LoadedModule) -> int:
        slot = self.bank.slots[module.slot]
        before = self._loaded.get(slot.predecessor) if slot.predecessor is not None else None
        comes_back = slot.state is ModuleState.TRIAL and before is not None
        return max(module.working_memory_bytes, before.working_memory_bytes if comes_back and before else 0)

    def _same_model(self, number: int, module: LoadedModule) -> bool:
        other = self._loaded.get(number)
        return other is not None and other.descriptor.model_id == module.descriptor.model_id

    async def self_test(self, module: LoadedModule) -> float:
        """Run a module's known-answer vectors on the emulated CPU; returns the share of right answers in percent."""
        score = await self.machine.self_test(self.payload(module), module.descriptor)
        self.self_test_scores[module.slot] = score
        return score

    def confirm(self, number: int) -> None:
        """End a trial well."""
        self.bank.confirm(number)
        self._log.info("trial_confirmed", slot=number)
        self._changed(number)

    def fail(self, number: int, result: ModuleResult) -> None:
        """End a trial, or a confirmed module's use, badly, and go back to the predecessor."""
        restored = self.bank.fail(number, result, restore=self._fits_again(number))
        self._log.warning("rolled_back", slot=number, result=result.name, to=restored.number if restored else None)
        self._changed(number)

    def _follow_links(self) -> None:
        """Let links lead to the slot in which a model runs now: of two versions of it, one runs at most."""
        for slot in self.bank.slots:
            module, before = self._loaded.get(slot.number), slot.predecessor
            if module is None or before is None or not self._same_model(before, module):
                continue
            runs = [each for each in (slot.number, before) if self.bank.slots[each].state in IN_USE]
            if len(runs) == 1:
                self.configurations.relink(before if runs[0] == slot.number else slot.number, runs[0])

    def deactivate(self, number: int) -> None:
        """Take the module out of use; it stays installed."""
        if self.bank.slots[number].state in IN_USE:
            self.bank.deactivate(number)
            self._changed(number)

    def slot(self, number: int) -> Slot:
        """Return what the journal knows of a slot."""
        return self.bank.slots[number]

    def _load_all(self) -> None:
        """Verify what the slots hold; a module that does not verify any more is taken out of use."""
        for slot in self.bank.slots:
            if slot.module is None or slot.state in {ModuleState.EMPTY, ModuleState.FAILED}:
                continue
            try:
                self._loaded[slot.number] = self._verify(slot.number, slot.module)
            except ModuleRejected as rejection:
                self._log.error("module_rotten", slot=slot.number, result=rejection.result.name)
                # Not slot.state: the slot may have been restored in place of another a moment ago.
                if self.bank.slots[slot.number].state in IN_USE:
                    self.bank.fail(slot.number, rejection.result)
                else:
                    self.bank.reject(slot.number, rejection.result)

    def _verify(self, number: int, staged: StagedModule) -> LoadedModule:
        """Verify what lies in a slot once more; raises ModuleRejected."""
        verifier = self._verifier(staged.sequence_number - 1, self._trust.keys_of_installed)
        if staged.is_unpacked:
            return self._load(number, staged, verify_unpacked(verifier, self._regions[number], staged))
        verifier.feed(self._regions[number].read(staged.package_start, staged.package_bytes))
        verifier.finish()
        return self._load(number, staged, verifier.verified.descriptor)

    def _verifier(self, sequence_floor: int, keys: Sequence[VerificationKey]) -> StreamingVerifier:
        profile = self.profile
        recipient = Recipient(
            trust_anchors=tuple(keys),
            vendor_id=profile.vendor_id,
            class_id=profile.class_id,
            storage_bytes=profile.slot_bytes,
            working_memory_bytes=profile.working_memory_bytes,
            sequence_floor=sequence_floor,
            abi=RUNTIME_VERSION,
            formats=(profile.module_format,),
            isa=profile.target.isa,
            encodings=profile.decoders.encodings,
            base=self.image(self.in_use) if self.in_use is not None else None,
            decryption_key=profile.decryption_key,
        )
        return StreamingVerifier(recipient, early=True)

    def _changed(self, number: int) -> None:
        self._follow_links()
        self.on_change(number)

    def _load(self, number: int, staged: StagedModule, descriptor: Descriptor) -> LoadedModule:
        firmware = self.profile.module_address
        return LoadedModule(
            number,
            descriptor,
            staged.payload_offset + firmware,
            max(0, staged.payload_bytes - firmware),
            staged.digest,
            staged.sequence_number,
            firmware,
        )
