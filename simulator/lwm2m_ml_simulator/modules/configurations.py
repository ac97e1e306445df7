"""What servers wrote into AI Model Configuration (object 513), slot by slot; kept in the journal.

Links follow a model: where a new version runs in another slot, it takes over the wiring of the one before, and whoever
was linked to the old slot's result is linked to the new one's from then on, also when a trial ends badly.
"""

import cbor2

from lwm2m_ml.lwm2m.model_wiring import (
    INPUT_LABELS,
    INPUTS,
    OUTPUT_LABELS,
    OUTPUTS,
    WIRING_RESOURCES,
    Wiring,
    WiringError,
)
from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml_simulator.device.object_ids import ML_RESULT
from lwm2m_ml_simulator.device.profile import CONFIGURATION_BYTES
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.objects.base import ResourceValue

_RECORD_KEY = 80

Kept = dict[int, ResourceValue]
_WIRING = frozenset(WIRING_RESOURCES)
_LEFT_BY = 0
"""Not a resource of the object: the model whose wiring it is, once its module is gone."""


class Configurations:
    """What was written, by slot and resource."""

    def __init__(self, journal: Journal, slots: int) -> None:
        self._journal = journal
        self._kept: list[Kept] = []
        for slot in range(slots):
            stored = journal.get(_RECORD_KEY + slot)
            self._kept.append(cbor2.loads(stored) if stored else {})
        self._wirings: dict[int, tuple[bytes, Wiring]] = {}

    def get(self, slot: int, resource: int) -> ResourceValue | None:
        """Return what was written; None when nothing was."""
        return self._kept[slot].get(resource)

    def put(self, slot: int, resource: int, value: ResourceValue) -> None:
        """Keep a value; raises `WiringError` when a slot's values take more room than there is."""
        kept = {**self._kept[slot], resource: value}
        if resource in _WIRING:
            kept.pop(_LEFT_BY, None)
        self._keep(slot, kept)

    def wiring(self, slot: int, descriptor: Descriptor, digest: bytes) -> Wiring:
        """Return the wiring of a slot for the module in it; the sensor and the slot's own result unless written."""
        known = self._wirings.get(slot)
        if known is None or known[0] != digest:
            known = (digest, Wiring.of(self.resources(slot, descriptor)))
            self._wirings[slot] = known
        return known[1]

    def resources(self, slot: int, descriptor: Descriptor | None) -> Kept:
        """Return the values of a slot, with what holds where nothing was written."""
        kept = dict(self._kept[slot])
        inputs = {number: tensor.name for number, tensor in enumerate(descriptor.inputs if descriptor else ())}
        outputs = {number: tensor.name for number, tensor in enumerate(descriptor.outputs if descriptor else ())}
        kept.setdefault(INPUTS, {0: ""})
        kept.setdefault(OUTPUTS, {0: own_result(slot)})
        kept[INPUT_LABELS] = kept.get(INPUT_LABELS) or inputs or {0: ""}
        kept[OUTPUT_LABELS] = kept.get(OUTPUT_LABELS) or outputs or {0: ""}
        return kept

    def is_wired(self, slot: int) -> bool:
        """Whether anything of the wiring of a slot was written."""
        return any(resource in self._kept[slot] for resource in WIRING_RESOURCES)

    def leave(self, slot: int, model_id: bytes) -> None:
        """Remember whose wiring it is that lies in a slot, whose module is about to be overwritten."""
        if self.is_wired(slot):
            self._keep(slot, {**self._kept[slot], _LEFT_BY: model_id})

    def settle(self, slot: int, model_id: bytes) -> None:
        """Forget the wiring in a slot when another model left it than the one that is there now."""
        if self._kept[slot].get(_LEFT_BY, model_id) != model_id:
            self._keep(slot, _without_wiring(self._kept[slot]))

    def inherit(self, slot: int, predecessor: int) -> None:
        """Take over the wiring of the slot whose model a new version replaces, unless a server wired this one."""
        if not self.is_wired(slot) or _LEFT_BY in self._kept[slot]:
            wiring = {number: value for number, value in self._kept[predecessor].items() if number in _WIRING}
            self._keep(slot, _without_wiring(self._kept[slot]) | _relinked(wiring, predecessor, slot))

    def relink(self, old: int, new: int) -> None:
        """Let all other slots be linked to the result of `new` that are linked to that of `old`."""
        for slot, kept in enumerate(self._kept):
            relinked = _relinked(kept, old, new)
            if slot not in {old, new} and relinked != kept:
                self._keep(slot, relinked)

    def _keep(self, slot: int, kept: Kept) -> None:
        if kept == self._kept[slot]:
            return
        record = cbor2.dumps(kept)
        if len(record) > CONFIGURATION_BYTES:
            raise WiringError(
                f"The configuration of slot {slot} would take {len(record):,} B",
                hint=f"A device keeps {CONFIGURATION_BYTES:,} B for each slot",
            )
        self._journal.put(_RECORD_KEY + slot, record)
        self._kept[slot] = kept
        self._wirings.pop(slot, None)


def _without_wiring(kept: Kept) -> Kept:
    return {number: value for number, value in kept.items() if number not in _WIRING and number != _LEFT_BY}


def own_result(slot: int) -> str:
    """Return the link to the result of the model in a slot."""
    return f"</{ML_RESULT}/{slot}>"


def _relinked(kept: Kept, old: int, new: int) -> Kept:
    """Replace the result of one slot by that of another, in Inputs and Outputs."""
    before, after = (f"</{ML_RESULT}/{slot}" for slot in (old, new))
    changed = dict(kept)
    for resource in (INPUTS, OUTPUTS):
        links = kept.get(resource)
        if isinstance(links, dict):
            changed[resource] = {
                number: after + text[len(before) :] if text.startswith((f"{before}>", f"{before}/")) else text
                for number, text in links.items()
            }
    return changed
