"""Probing a device: what is written to it, and what its answer means."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.errors import ConflictError, InvalidInputError, UnavailableError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.service.probe import Probes, integers, quantised

DIGEST = bytes(range(32))
TENSOR = {"dtype": "int8", "scale": 0.5, "zero_point": -3, "bytes": 2, "shape": (1, 2)}
MODULE: Any = SimpleNamespace(
    model="m",
    version="1",
    variant="v",
    facts={
        "inputs": [TENSOR],
        "outputs": [{"dtype": "int8", "scale": 1 / 256, "zero_point": -128, "bytes": 2}],
        "module_digest": DIGEST.hex(),
    },
)


class Device:
    """Devices, of which there is one, with ML Model in slot 1 and a probe."""

    def __init__(self, *, state: int = 3, probe_state: int = 2, digest: bytes = DIGEST, probed: bool = True) -> None:
        self.written: dict[str, Any] = {}
        self.executed: list[tuple[str, str]] = []
        self.objects = ["/42770/0", "/42770/1", *(["/42773/0"] if probed else [])]
        self._state, self._probe_state, self._digest = state, probe_state, digest

    def get(self, endpoint: str) -> Any:
        return SimpleNamespace(objects=self.objects)

    async def read(self, endpoint: str, path: str) -> Any:
        if path == "/42770":
            values: dict[tuple[int, int], Any] = {(0, 3): b"", (0, 11): 0, (1, 3): DIGEST, (1, 11): self._state}
            return [Record(ObjectPath(42770, slot, number), value) for (slot, number), value in values.items()]
        probe: dict[int, Any] = {2: self._probe_state, 4: 1.5, 5: 77, 7: self._digest}
        records = [Record(ObjectPath(42773, 0, number), value) for number, value in probe.items()]
        return [*records, Record(ObjectPath(42773, 0, 3, 0), bytes([0x80, 0x00]))]

    async def write(self, endpoint: str, path: str, value: Any) -> None:
        self.written[path] = value

    async def execute(self, endpoint: str, path: str, arguments: str = "") -> None:
        self.executed.append((path, arguments))


async def find(digest: str) -> Any:
    return MODULE if digest == DIGEST.hex() else None


def probes(device: Any) -> Probes:
    return Probes(device, find, lambda model, version: ("no", "yes"), model=42770, probe=42773)


async def test_an_input_is_written_as_the_module_takes_it_and_its_answer_read() -> None:
    device = Device()
    answer = await probes(device).run("d", [1.0, -2.0])
    assert device.written == {"/42773/0/0": {"/42773/0/0/0": base64.b64encode(bytes([0xFF, 0xF9])).decode()}}
    assert device.executed == [("/42773/0/1", "0='1'")]
    assert (answer.class_index, answer.label, answer.outputs, answer.scores) == (1, "yes", (-128, 0), (0.0, 50.0))
    assert (answer.instructions, answer.latency, answer.variant) == (77, 1.5, "v")


@pytest.mark.parametrize(
    ("device", "error", "words"),
    [
        (Device(probed=False), ConflictError, "no ML Probe"),
        (Device(state=4), ConflictError, "runs no model"),
        (Device(probe_state=3), UnavailableError, "failed"),
        (Device(digest=bytes(32)), UnavailableError, "changed its module"),
    ],
)
async def test_what_cannot_be_answered_says_why(device: Device, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await probes(device).run("d", [1.0, 2.0])


def test_an_input_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"takes 2 numbers \(1×2\), not 3"):
        quantised([1.0, 2.0, 3.0], [TENSOR])


def test_numbers_beyond_the_range_are_saturated() -> None:
    assert integers(quantised([1e9, -1e9], [TENSOR]), "int8") == (127, -128)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@given(st.data())
def test_integers_come_back_as_they_were_written(dtype: str, data: st.DataObject) -> None:
    least, greatest, size = {"int8": (-128, 127, 1), "uint8": (0, 255, 1), "int16": (-32768, 32767, 2)}[dtype]
    wanted = data.draw(st.lists(st.integers(least, greatest), min_size=1, max_size=20))
    tensor = {"dtype": dtype, "scale": 1.0, "zero_point": 0, "bytes": len(wanted) * size, "shape": (len(wanted),)}
    assert list(integers(quantised([float(value) for value in wanted], [tensor]), dtype)) == wanted


def test_types_that_are_no_integers_are_refused() -> None:
    with pytest.raises(ConflictError, match="float32"):
        quantised([1.0], [TENSOR | {"dtype": "float32"}])
    with pytest.raises(ConflictError, match="float32"):
        integers(b"1234", "float32")
