"""What a fleet looks like after the chaos: module by module on the devices, result by result in the database."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.device.device import SimulatedDevice

Sent = tuple[int, int, int]
"""Slot, number and class of a result."""


@dataclass(slots=True)
class Acknowledged:
    """The results of one device that the server said it has."""

    results: Counter[Sent] = field(default_factory=Counter)

    def note(self, records: Sequence[Record]) -> None:
        """One message was acknowledged."""
        values = {record.path.resource_id: record for record in records if record.path.object_id == 42771}
        number, decided = values[5], values[1]
        assert number.path.instance_id is not None
        self.results[number.path.instance_id, int(str(number.value)), int(str(decided.value))] += 1


def version_on(device: SimulatedDevice) -> str:
    """The version of the module that the device itself runs."""
    firmware = device.firmware
    module = firmware.modules.in_use if firmware is not None else None
    return "nothing" if module is None else module.descriptor.model_version


def stored_results(data: Path) -> dict[str, Counter[Sent]]:
    """What the database holds, read behind the stopped server's back."""
    found: dict[str, Counter[Sent]] = {}
    with sqlite3.connect(f"file:{data / 'lwm2m-ml.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute("select endpoint, slot, number, class_index from results")
        for endpoint, slot, number, class_index in rows:
            found.setdefault(endpoint, Counter())[slot or 0, number, class_index] += 1
    return found


def missing_results(acknowledged: Mapping[str, Acknowledged], stored: Mapping[str, Counter[Sent]]) -> tuple[int, int]:
    """How many results were acknowledged and are not there, and how many count as repeats of others.

    A device counts its results anew after a restart. One that lost its power after its very first result sends another
    with the number 1, which the service takes for the same one again: nothing in it says otherwise.
    """
    lost = repeats = 0
    for endpoint, told in acknowledged.items():
        there = stored.get(endpoint, Counter())
        numbers = {(slot, number) for slot, number, _ in there}
        for (slot, number, _), times in (told.results - there).items():
            if (slot, number) in numbers:
                repeats += times
            else:
                lost += times
    return lost, repeats
