"""Module slots: the state machine of object 42770 (`lwm2m_ml.module.results`), every step of it one journal record.

A step that concerns two slots (a trial begins and its predecessor stands by, a trial fails and its predecessor is
restored) is one record too, so a power cut never leaves neither or both in use.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cbor2

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.module.results import ModuleResult, ModuleState, SlotEvent, next_state
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.memory.flash import FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal

IN_USE = frozenset({ModuleState.TRIAL, ModuleState.ACTIVE})
_BANK_KEY = 0


@dataclass(frozen=True, slots=True)
class StagedModule:
    """Where in the slot's flash the verified package lies, and which one it is.

    `is_unpacked`: the image lies behind the package's head in place of the payload that was sent.
    """

    package_start: int
    package_bytes: int
    payload_offset: int
    payload_bytes: int
    sequence_number: int
    digest: bytes
    is_unpacked: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """What the journal knows of one slot."""

    number: int
    state: ModuleState = ModuleState.EMPTY
    result: ModuleResult = ModuleResult.INITIAL
    module: StagedModule | None = None
    predecessor: int | None = None
    changed_at: float = 0.0

    def after(self, event: SlotEvent, now: float) -> "Slot":
        """Return the slot after `event`; raises IllegalTransition if its state does not allow it."""
        try:
            return replace(self, state=next_state(self.state, event), changed_at=now)
        except ConflictError as error:
            raise IllegalTransition(f"slot {self.number}: {error.message}") from error


@dataclass(frozen=True, slots=True)
class BankState:
    """What one journal record holds: all slots, the sequence floor, and the slot that the next boot tries."""

    slots: tuple[Slot, ...]
    sequence_floor: int = 0
    boot_into: int | None = None

    def encode(self) -> bytes:
        """Encode for the journal."""
        rows = [
            [slot.state, slot.result, _module_row(slot.module), slot.predecessor, slot.changed_at]
            for slot in self.slots
        ]
        encoded: bytes = cbor2.dumps([rows, self.sequence_floor, self.boot_into])
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> "BankState":
        """Decode what `encode` made."""
        rows, floor, boot_into = cbor2.loads(data)
        slots = tuple(
            Slot(
                number, ModuleState(state), ModuleResult(result), StagedModule(*module) if module else None, before, at
            )
            for number, (state, result, module, before, at) in enumerate(rows)
        )
        return cls(slots, floor, boot_into)


@dataclass(slots=True)
class SlotBank:
    """The slots of a device; `regions[n]` is the flash of slot n."""

    journal: Journal
    regions: Sequence[FlashRegion]
    clock: Callable[[], float]
    _state: BankState = field(init=False)

    def __post_init__(self) -> None:
        stored = self.journal.get(_BANK_KEY)
        empty = BankState(tuple(Slot(number) for number in range(len(self.regions))))
        self._state = BankState.decode(stored) if stored is not None else empty

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All slots, by number."""
        return self._state.slots

    @property
    def sequence_floor(self) -> int:
        """The highest sequence number ever confirmed; packages must have a higher one."""
        return self._state.sequence_floor

    @property
    def boot_into(self) -> int | None:
        """The slot whose trial the next boot begins."""
        return self._state.boot_into

    @property
    def running(self) -> tuple[Slot, ...]:
        """The slots whose modules run: in trial or active."""
        return tuple(slot for slot in self.slots if slot.state in IN_USE)

    @property
    def on_trial(self) -> tuple[Slot, ...]:
        """The slots on trial."""
        return tuple(slot for slot in self.slots if slot.state is ModuleState.TRIAL)

    def is_free(self, number: int) -> bool:
        """Tell whether a slot may be overwritten: not in use, nor needed if a running trial fails."""
        needed = {slot.predecessor for slot in self.on_trial}
        return self.slots[number].state not in IN_USE and number not in needed

    def clear(self, number: int) -> None:
        """Forget what a slot holds; its flash may be erased after this, not before."""
        if not self.is_free(number):
            raise IllegalTransition(f"slot {number} is in use")
        slot = self.slots[number].after(SlotEvent.ERASED, self.clock())
        boot_into = None if self.boot_into == number else self.boot_into
        self._commit(replace(slot, result=ModuleResult.INITIAL, module=None, predecessor=None), boot_into=boot_into)

    def stage(self, number: int, module: StagedModule) -> None:
        """A verified package lies in the slot."""
        slot = self.slots[number].after(SlotEvent.STAGED, self.clock())
        self._commit(replace(slot, module=module, result=ModuleResult.INITIAL))

    def reject(self, number: int, result: ModuleResult) -> None:
        """What lies in the slot must not run."""
        slot = self.slots[number].after(SlotEvent.REJECTED, self.clock())
        self._commit(replace(slot, result=result), boot_into=None)

    def refuse(self, number: int, result: ModuleResult) -> None:
        """Say why the slot's module does not run, which stays where it is."""
        self._commit(replace(self.slots[number], result=result))

    def start_trial(self, number: int, replaced: Slot | None) -> None:
        """Let the slot's module run, in place of another one where there is one, which stands by."""
        now = self.clock()
        slot = self.slots[number].after(SlotEvent.ACTIVATED, now)
        if replaced is None:
            self._commit(replace(slot, predecessor=None, result=ModuleResult.INITIAL), boot_into=None)
            return
        before = replaced.after(SlotEvent.SUPERSEDED, now)
        self._commit(replace(slot, predecessor=before.number, result=ModuleResult.INITIAL), before, boot_into=None)

    def confirm(self, number: int) -> None:
        """The trial went well: only now the sequence floor rises."""
        slot = self.slots[number].after(SlotEvent.CONFIRMED, self.clock())
        sequence_number = slot.module.sequence_number if slot.module else 0
        floor = max(self.sequence_floor, sequence_number)
        self._commit(replace(slot, result=ModuleResult.SUCCESS), sequence_floor=floor)

    def fail(self, number: int, result: ModuleResult, *, restore: bool = True) -> Slot | None:
        """Take a running module out of use and restore its predecessor, which is returned, where there is one."""
        now = self.clock()
        slot = replace(self.slots[number].after(SlotEvent.FAILED, now), result=result)
        before = self.slots[slot.predecessor] if slot.predecessor is not None else None
        if before is None or before.state is not ModuleState.STANDBY or not restore:
            self._commit(slot)
            return None
        restored = before.after(SlotEvent.RESTORED, now)
        self._commit(slot, restored)
        return restored

    def deactivate(self, number: int) -> None:
        """Take a running module out of use without judging it."""
        self._commit(self.slots[number].after(SlotEvent.SUPERSEDED, self.clock()))

    def schedule_boot(self, number: int) -> None:
        """Let the next boot begin the trial of a staged slot."""
        self.slots[number].after(SlotEvent.ACTIVATED, self.clock())
        self._commit(boot_into=number)

    def _commit(self, *changed: Slot, **fields: int | None) -> None:
        by_number = {slot.number: slot for slot in changed}
        slots = tuple(by_number.get(slot.number, slot) for slot in self.slots)
        state = replace(self._state, slots=slots, **fields)  # type: ignore[arg-type]
        self.journal.put(_BANK_KEY, state.encode())
        self._state = state


def _module_row(module: StagedModule | None) -> list[int | bytes] | None:
    if module is None:
        return None
    return [
        module.package_start,
        module.package_bytes,
        module.payload_offset,
        module.payload_bytes,
        module.sequence_number,
        module.digest,
        module.is_unpacked,
    ]
