"""Which model infers after which others, by how they are wired."""

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

from lwm2m_ml.lwm2m.model_wiring import ResourceLink, Wiring
from lwm2m_ml_simulator.device.object_ids import ML_RESULT


class Order:
    """Of the models in some slots. A model follows those whose results, or whose written resources, are its inputs."""

    def __init__(self, wirings: Mapping[int, Wiring]) -> None:
        self._before = {slot: frozenset(_sources(slot, wirings)) for slot in wirings}
        self.leaders = tuple(slot for slot, before in self._before.items() if not before)
        self.circle: tuple[int, ...] = ()
        """Models that wait for each other, and so never infer."""
        try:
            self._sorted = tuple(TopologicalSorter(self._before).static_order())
        except CycleError as error:
            self.circle = tuple(sorted(set(error.args[1])))
            self._sorted = tuple(wirings)

    def followers(self, slot: int) -> tuple[int, ...]:
        """Return the slots of models that may have to infer after this one, in order."""
        place = self._sorted.index(slot)
        return tuple(later for later in self._sorted[place + 1 :] if self._before.get(later))

    def waits_for(self, slot: int, others: Collection[int]) -> bool:
        """Whether a model follows one of others."""
        return not self._before[slot].isdisjoint(others)


def result_of(link: ResourceLink | None) -> int | None:
    """Return the slot whose result a link leads to, None for any other."""
    if link is None or link.prefix or link.path.object_id != ML_RESULT:
        return None
    return link.path.instance_id


def _sources(slot: int, wirings: Mapping[int, Wiring]) -> set[int]:
    """The slots that a model's inputs come from; its own result is no reason to wait."""
    links = [wire.link for wire in wirings[slot].inputs if wire.link is not None]
    found = {source for link in links if (source := result_of(link)) is not None}
    for other, wiring in wirings.items():
        targets = [wire.link for wire in wiring.outputs if wire.link is not None and result_of(wire.link) is None]
        if any(_touch(link, target) for link in links for target in targets):
            found.add(other)
    return found - {slot}


def _touch(one: ResourceLink, other: ResourceLink) -> bool:
    return one.prefix == other.prefix and (one.path.contains(other.path) or other.path.contains(one.path))
