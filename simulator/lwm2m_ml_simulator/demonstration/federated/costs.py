"""What training takes: of the modules as compiled, of the rounds as measured, of TensorFlow on this machine."""

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwm2m_ml.client.schemas.federated import FederatedAnswer
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.demonstration.federated.fleet import TARGETS
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.energy.power import RadioPower, load_radio

RADIOS = ("ieee802154", "nb-iot")


async def command(*arguments: str) -> str:
    """Run a command of this Python, as a user would; returns what it prints, raises Lwm2mMlError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await process.communicate()
    if process.returncode:
        told = complaints.decode(errors="replace").strip()[-300:]
        raise Lwm2mMlError(f"{' '.join(arguments[:4])} failed: {told}")
    return printed.decode()


@dataclass(frozen=True, slots=True)
class ModuleCosts:
    """A module on a target, in bytes and instructions: only inferring, and able to learn.

    `buffers` is what firmware needs beside the module to take part: the weights that came, and the update that goes.
    """

    target: str
    plain: dict[str, Any]
    learning: dict[str, Any]

    @property
    def parameters(self) -> int:
        """How many numbers change."""
        return int(self.learning["learning"]["parameters"])

    @property
    def buffers(self) -> int:
        """RAM of the firmware's own while it learns."""
        weights = 4 * self.parameters
        update = self.parameters + 4 * -(-self.parameters // 64) + 128
        return weights + update


async def compiled(plain: Path, trainable: Path, calibration: Path, folder: Path) -> list[ModuleCosts]:
    """Compile a model both ways for both kinds of device."""
    found = []
    for target in TARGETS:
        facts = []
        for model in (plain, trainable):
            text = await command(
                *("-m", "lwm2m_ml", "compile", str(model), "--target", target, "--calibration", str(calibration)),
                *("--output", str(folder / f"{model.stem}-{target}"), "--json"),
            )
            facts.append(json.loads(text))
        found.append(ModuleCosts(target, *facts))
    return found


@dataclass(frozen=True, slots=True)
class RadioCosts:
    """Joules of one device in one round, by radio: transmitting and receiving, without listening and tails."""

    datagrams: float
    joules: dict[str, float]


class Traffic:
    """What passed over the devices' radios between two moments."""

    def __init__(self, fleet: Sequence[SimulatedDevice]) -> None:
        self._fleet = fleet
        self._before = self._now()

    def of_a_round(self, asked: int) -> RadioCosts:
        """Return the mean of one device in one round; `asked` counts devices over all rounds."""
        came, went, datagrams_in, datagrams_out = (
            (now - before) / max(1, asked) for now, before in zip(self._now(), self._before, strict=True)
        )
        joules = {name: _joules(load_radio(name), (came, datagrams_in), (went, datagrams_out)) for name in RADIOS}
        return RadioCosts(datagrams_in + datagrams_out, joules)

    def _now(self) -> tuple[int, int, int, int]:
        figures = [device.radio.figures for device in self._fleet]
        return (
            sum(one.bytes_in for one in figures),
            sum(one.bytes_out for one in figures),
            sum(one.datagrams_in for one in figures),
            sum(one.datagrams_out for one in figures),
        )


def _joules(radio: RadioPower, came: tuple[float, float], went: tuple[float, float]) -> float:
    return radio.receive_seconds(*came) * radio.receive_watts + radio.transmit_seconds(*went) * radio.transmit_watts


@dataclass(frozen=True, slots=True)
class DeviceCosts:
    """Means of a device of one target in a round: bytes of UDP payload, instructions and joules of its processor."""

    bytes_down: float
    bytes_up: float
    instructions: float
    joules: float

    @classmethod
    def of(cls, answers: Iterable[FederatedAnswer]) -> "DeviceCosts":
        """The means over what was accepted."""
        good = [one for one in answers if one.outcome == "accepted"]
        count = max(1, len(good))
        return cls(
            sum(one.bytes_down for one in good) / count,
            sum(one.bytes_up for one in good) / count,
            sum(one.instructions or 0 for one in good) / count,
            sum(one.joules or 0.0 for one in good) / count,
        )
