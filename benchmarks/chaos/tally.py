"""What a fleet looks like after the chaos: module by module on the devices, result by result in the database."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.device.device import SimulatedDevice

Sent = tuple[int, int, int, int]
"""Slot, series, number and class of a result: no two results of a device are equal in the first three."""


@dataclass(slots=True)
class Acknowledged:
    """The results of one device that the server said it has."""

    results: Counter[Sent] = field(default_factory=Counter)
    """Each is there once, however often it was acknowledged."""

    def note(self, records: Sequence[Record]) -> None:
        """One message was acknowledged."""
        values = {record.path.resource_id: record for record in records if record.path.object_id == 42771}
        slot = values[5].path.instance_id
        assert slot is not None
        series, number, decided = (int(str(values[resource].value)) for resource in (16, 5, 1))
        self.results[slot, series, number, decided] = 1


def version_on(device: SimulatedDevice) -> str:
    """The version of the module that the device itself runs."""
    firmware = device.firmware
    module = firmware.modules.in_use if firmware is not None else None
    return "nothing" if module is None else module.descriptor.model_version


def stored_results(data: Path) -> dict[str, Counter[Sent]]:
    """What the database holds, read behind the stopped server's back."""
    found: dict[str, Counter[Sent]] = {}
    with sqlite3.connect(f"file:{data / 'lwm2m-ml.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute("select endpoint, slot, series, number, class_index from results")
        for endpoint, slot, series, number, class_index in rows:
            found.setdefault(endpoint, Counter())[slot or 0, series, number, class_index] += 1
    return found


def compared(acknowledged: Mapping[str, Acknowledged], stored: Mapping[str, Counter[Sent]]) -> tuple[list[str], int]:
    """Return the results that were acknowledged and are not there, and how many are there more than once."""
    lost = []
    for endpoint, told in acknowledged.items():
        there = stored.get(endpoint, Counter())
        for slot, series, number, decided in told.results - there:
            other = [one[3] for one in there if one[:3] == (slot, series, number)]
            instead = f", class {other[0]} is there in place of {decided}" if other else ""
            lost.append(f"{endpoint}: result {number} of series {series} in slot {slot}{instead}")
    return lost, sum(count - 1 for results in stored.values() for count in results.values())
