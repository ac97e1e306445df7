"""What a running fleet looks like, kind by kind."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.energy.account import Energy, device_energy, radio_energy, total_energy
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner
from lwm2m_ml_simulator.scenario.participant import Participant

_NUMBER = re.compile(r"-\d{5}$")


@dataclass(frozen=True, slots=True)
class KindFigures:
    """All devices of one kind together; `joules` are those of one device, the mean, None where no radio is named."""

    kind: str
    devices: int
    on: int
    registered: int
    boots: int
    datagrams_out: int
    datagrams_in: int
    bytes_out: int
    bytes_in: int
    lost: int
    missed: int
    modules: int
    inferences: int
    joules: float | None


@dataclass(frozen=True, slots=True)
class DeploymentCost:
    """What a deployment took: seconds, devices by final state, and joules of one device, the mean of each kind.

    The joules are all that the devices spent in this time, on whatever.
    """

    seconds: float
    states: dict[str, int]
    joules: dict[str, float]


def kinds(runner: FleetRunner) -> dict[str, list[Participant]]:
    """Return the devices by kind."""
    found: dict[str, list[Participant]] = {}
    for endpoint, device in runner.participants.items():
        found.setdefault(_NUMBER.sub("", endpoint), []).append(device)
    return found


def figures(runner: FleetRunner, elapsed: float) -> list[KindFigures]:
    """Count everything; `elapsed` seconds have passed since the start."""
    return [_of_kind(runner, kind, devices, elapsed) for kind, devices in kinds(runner).items()]


def energy_of(runner: FleetRunner, device: Participant, elapsed: float) -> Energy | None:
    """Return what one device has spent, None where the scenario does not name its radio."""
    power = runner.fleet.radios.get(device.endpoint)
    if power is None:
        return None
    spent = radio_energy(power, device.radio, elapsed)
    return spent + device_energy(device) if isinstance(device, SimulatedDevice) else spent


def _of_kind(runner: FleetRunner, kind: str, devices: Sequence[Participant], elapsed: float) -> KindFigures:
    radios = [device.radio.figures for device in devices]
    machines = [device for device in devices if isinstance(device, SimulatedDevice)]
    spent = [energy for device in devices if (energy := energy_of(runner, device, elapsed)) is not None]
    return KindFigures(
        kind=kind,
        devices=len(devices),
        on=sum(device.is_on for device in devices),
        registered=sum(device.is_registered for device in devices),
        boots=sum(device.boots for device in devices),
        datagrams_out=sum(radio.datagrams_out for radio in radios),
        datagrams_in=sum(radio.datagrams_in for radio in radios),
        bytes_out=sum(radio.bytes_out for radio in radios),
        bytes_in=sum(radio.bytes_in for radio in radios),
        lost=sum(device.radio.lost for device in devices),
        missed=sum(radio.missed for radio in radios),
        modules=sum(_runs_a_module(device) for device in machines),
        inferences=sum(device.inferences.total for device in machines),
        joules=total_energy(spent).total / len(spent) if spent else None,
    )


def _runs_a_module(device: SimulatedDevice) -> bool:
    return device.firmware is not None and device.firmware.modules.in_use is not None
