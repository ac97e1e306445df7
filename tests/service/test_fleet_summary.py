"""The fleet in figures, from registrations and profiles that the test made."""

import time
from types import SimpleNamespace
from typing import Any

from lwm2m_ml.service.fleet_summary import summarise


def registration(endpoint: str, *, silent: float = 0.0) -> Any:
    return SimpleNamespace(endpoint=endpoint, updated_at=time.time() - silent, parameters=SimpleNamespace(lifetime=60))


def profile(target: str | None, *running: str) -> Any:
    return SimpleNamespace(runtime=SimpleNamespace(target=target) if target else None, running=running)


async def test_devices_are_counted_by_what_they_are_and_run() -> None:
    profiles = {
        "a": profile("nrf52840", "digits 1.0.0"),
        "b": profile("nrf52840", "digits 1.0.0", "gestures 2.0"),
        "c": profile("esp32-c3"),
        "d": profile(None),
    }
    registered = tuple(registration(name, silent=90.0 if name == "c" else 0.0) for name in "abcde")
    found = await summarise(registered, profiles.get, {"a": 2, "b": 1})
    assert (found.devices, found.runtimes, found.idle, found.late) == (5, 3, 1, 1)
    assert (found.alarmed, found.alarms) == (2, 3)
    assert found.targets == {"nrf52840": 2, "esp32-c3": 1}
    assert found.running == {"digits 1.0.0": 2, "gestures 2.0": 1}


async def test_an_empty_fleet_is_all_zeros() -> None:
    found = await summarise((), lambda _: None, {})
    assert (found.devices, found.runtimes, dict(found.targets)) == (0, 0, {})
