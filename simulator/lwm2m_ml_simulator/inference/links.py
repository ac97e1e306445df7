"""Where the links of object 513 lead: results of models, resources of this device, and of devices behind it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwm2m_ml.lwm2m.model_wiring import ResourceLink, WiringError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.device.object_ids import ML_RESULT
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.inference.order import result_of
from lwm2m_ml_simulator.inference.signals import Signal
from lwm2m_ml_simulator.objects.base import OperationRefused, ResourceValue
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData, Samples
from lwm2m_ml_simulator.objects.data import DataInstance

_DATA = 0


@dataclass(slots=True)
class Links:
    """`outputs(slot)` is what a model put out last; `tree` holds the resources; `behind` those of other devices.

    `on_data` keeps samples in an instance of object 19, `on_change` tells that a resource changed.
    """

    slots: int
    outputs: Callable[[int], Signal | None]
    tree: ObjectTree
    behind: Mapping[str, EndDevice]
    on_data: Callable[[int, Samples], None]
    on_change: Callable[[ObjectPath], None]

    def check_source(self, link: ResourceLink | None) -> None:
        """Raise WiringError for what an input cannot come from."""
        if link is None:
            return
        slot = result_of(link)
        if slot is not None and slot >= self.slots:
            raise WiringError(f"{link}: this device has {self.slots} slots", hint="Slots count from 0")
        if slot is not None and link.path.level == 2:
            return
        tree = self._tree(link)
        if link.path.object_id == BinaryAppData.object_id:
            return  # there once somebody has put something into it
        if slot is None and (instance := tree.find(link.path.ancestor(2))) is not None:
            if link.path.resource_id in instance.resources():
                return
        elif slot is not None:
            return
        raise WiringError(f"{link} is not on this device", hint="Read its objects to see what there is")

    def check_target(self, link: ResourceLink | None, slot: int) -> None:
        """Raise WiringError for what an output of the model in a slot cannot go to."""
        if link is None or link.prefix:
            raise WiringError("An output goes to a resource of this device", hint=f"For example </{ML_RESULT}/{slot}>")
        path = link.path
        if path == ObjectPath(ML_RESULT, slot) or path == _data_of(path):
            return
        if path.object_id == ML_RESULT:
            raise WiringError(f"{link} is not the result of this model", hint=f"That is </{ML_RESULT}/{slot}>")
        instance = self.tree.find(path.ancestor(2))
        if not isinstance(instance, DataInstance) or not _holds_number(instance.values.get(path.resource_id or 0)):
            raise WiringError(f"{link} takes no output", hint="Outputs go to numbers and switches of this device")

    def read(self, link: ResourceLink) -> Signal | None:
        """Return what is there now; None when there is nothing, or nothing that is a number."""
        slot = result_of(link)
        if slot is not None and link.path.level == 2:
            return self.outputs(slot)
        try:
            tree = self._tree(link)
            instance = tree.find(link.path.ancestor(2))
            if isinstance(instance, BinaryAppData) and link.path.resource_id in {None, _DATA}:
                return instance.samples.values if instance.samples is not None else None
            records = tree.read(link.path)
        except (OperationRefused, WiringError):
            return None
        numbers = [_number(record.value) for record in records]
        whole = link.path.level == 3 and any(record.path.level == 4 for record in records)
        return tuple(numbers) if whole else numbers[0] if len(numbers) == 1 else None

    def write(self, link: ResourceLink, signal: float | tuple[float, ...]) -> bool:
        """Put numbers into a resource; what is not a number is not written. Tells whether the resource changed."""
        path, instance = link.path, self.tree.find(link.path.ancestor(2))
        numbers = signal if isinstance(signal, tuple) else (signal,)
        if not isinstance(instance, DataInstance) or path.resource_id is None or not all(map(math.isfinite, numbers)):
            return False
        before = instance.values.get(path.resource_id)
        after = _like(before, numbers)
        if after is None or after == before:
            return False
        instance.values[path.resource_id] = after
        self.on_change(ObjectPath(path.object_id, path.instance_id, path.resource_id))
        return True

    def _tree(self, link: ResourceLink) -> ObjectTree:
        if not link.prefix:
            return self.tree
        try:
            return self.behind[link.prefix].tree
        except KeyError:
            raise WiringError(f"{link}: there is no device {link.prefix!r} behind this one") from None


def _data_of(path: ObjectPath) -> ObjectPath:
    return ObjectPath(BinaryAppData.object_id, path.instance_id, _DATA)


def _holds_number(value: ResourceValue | None) -> bool:
    values = value.values() if isinstance(value, Mapping) else (value,)
    return bool(values) and all(isinstance(one, bool | int | float) for one in values)


def _number(value: Value | None) -> float:
    return float(value) if isinstance(value, bool | int | float) else math.nan


def _like(before: ResourceValue | None, numbers: tuple[float, ...]) -> ResourceValue | None:
    """Return numbers as a resource like the one before: a switch, an integer, a number, or several of them."""
    if isinstance(before, Mapping):
        kinds = list(before.values())
        return {index: _as(kinds[0], number) for index, number in enumerate(numbers)}
    return _as(before, numbers[0]) if len(numbers) == 1 else None


def _as(kind: Value | None, number: float) -> Value:
    if isinstance(kind, bool):
        return number != 0
    return round(number) if isinstance(kind, int) else number
