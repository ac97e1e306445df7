from itertools import islice
from pathlib import Path

import numpy
import pytest

from lwm2m_ml_simulator.errors import InvalidInputs
from lwm2m_ml_simulator.inputs.files import load_inputs
from lwm2m_ml_simulator.inputs.stream import SensorStream

VALUES = numpy.arange(24, dtype=numpy.float32).reshape(4, 2, 3)


def test_inputs_come_in_the_order_of_the_file_and_then_again(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", VALUES)
    stream = SensorStream(load_inputs(tmp_path / "x.npy", shuffled=False), 1)
    shown = list(islice(stream, 6))
    assert numpy.array_equal(numpy.concatenate(shown), VALUES[[0, 1, 2, 3, 0, 1]])


def test_labels_of_an_archive_are_kept(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "x.npz", inputs=VALUES, labels=numpy.array([3, 2, 1, 0]))
    stream = SensorStream(load_inputs(tmp_path / "x.npz"), 1)
    for values in islice(stream, 20):
        assert stream.shown[-1] == 3 - int(values[0, 0, 0]) // 6


def test_a_table_has_one_input_per_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2,3\n4,5,6\n")
    assert numpy.array_equal(next(SensorStream(load_inputs(tmp_path / "x.csv", shuffled=False), 1)), [[1, 2, 3]])


def test_drift_moves_by_standard_deviations(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", VALUES)
    stream = SensorStream(load_inputs(tmp_path / "x.npy", shuffled=False), 1, drift=2.0)
    assert numpy.allclose(next(stream), VALUES[:1] + 2 * VALUES.std())


@pytest.mark.parametrize(
    ("name", "contents", "complaint"),
    [
        ("x.txt", b"1", "none of .csv, .npy, .npz"),
        ("x.npy", b"\x93NUMPY garbage", "cannot be read"),
        ("x.npz", b"PK\x03\x04 garbage", "cannot be read"),
        ("x.csv", b"1,2\n3\n", "cannot be read"),
        ("x.csv", b"1,nan\n", "not finite"),
    ],
)
def test_a_bad_file_is_refused_with_a_reason(tmp_path: Path, name: str, contents: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(InvalidInputs, match=complaint):
        load_inputs(tmp_path / name)


def test_arrays_that_are_no_inputs_are_refused(tmp_path: Path) -> None:
    for name, arrays, complaint in (
        ("a", {"inputs": VALUES, "labels": [1]}, "4 inputs and labels of shape"),
        ("b", {"data": VALUES}, "no array with the name inputs"),
        ("c", {"inputs": numpy.zeros(3)}, "shape"),
        ("d", {"inputs": numpy.array([["x"]])}, "numbers"),
    ):
        numpy.savez(tmp_path / f"{name}.npz", **arrays)
        with pytest.raises(InvalidInputs, match=complaint):
            load_inputs(tmp_path / f"{name}.npz")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInputs, match="cannot be read"):
        load_inputs(tmp_path / "x.npy")
