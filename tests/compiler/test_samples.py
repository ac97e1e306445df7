"""Inputs from files: numpy's arrays and raw tensors become real values; everything else is a clear error."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm2m_ml.compiler.arithmetic import quantize_values
from lwm2m_ml.compiler.errors import UnreadableSamples
from lwm2m_ml.compiler.ir import DataType, Quantization, Tensor
from lwm2m_ml.compiler.samples import read_calibration, read_samples
from lwm2m_ml.errors import Lwm2mMlError, UsageError

IMAGE = Tensor("image", (1, 4, 4, 3), DataType.INT8, Quantization.per_tensor(1 / 255, -128))
SOUND = Tensor("sound", (1, 6), DataType.INT8, Quantization.per_tensor(0.39, 89))


def _codes(samples: NDArray[numpy.float32], tensor: Tensor) -> NDArray[numpy.int8]:
    assert tensor.quantization is not None
    return quantize_values(samples, tensor.quantization.scale, tensor.quantization.zero_point)


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_raw_bytes_of_an_image_are_unsigned(tmp_path: Path) -> None:
    pixels = numpy.arange(48, dtype=numpy.uint8) * 5
    samples = read_samples([_file(tmp_path, "0.bin", pixels.tobytes())], [IMAGE])["image"]
    assert samples.shape == (1, 1, 4, 4, 3)
    numpy.testing.assert_array_equal(_codes(samples, IMAGE).reshape(-1), pixels.astype(int) - 128)


def test_raw_bytes_of_anything_else_are_signed(tmp_path: Path) -> None:
    codes = numpy.array([-128, -1, 0, 1, 90, 127], numpy.int8)
    samples = read_samples([_file(tmp_path, "0.bin", codes.tobytes())], [SOUND])["sound"]
    numpy.testing.assert_array_equal(_codes(samples, SOUND).reshape(-1), codes)


def test_told_type_wins(tmp_path: Path) -> None:
    codes = numpy.arange(-20, 28, dtype=numpy.int8)
    samples = read_samples([_file(tmp_path, "0.bin", codes.tobytes())], [IMAGE], raw_type="int8")["image"]
    numpy.testing.assert_array_equal(_codes(samples, IMAGE).reshape(-1), codes)


def test_four_bytes_an_element_are_real_numbers(tmp_path: Path) -> None:
    values = numpy.linspace(-3, 3, 6, dtype="<f4")
    samples = read_samples([_file(tmp_path, "0.bin", values.tobytes())], [SOUND])["sound"]
    numpy.testing.assert_array_equal(samples.reshape(-1), values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.integers(-128, 127), min_size=6, max_size=6), st.floats(1e-6, 1e3), st.integers(-128, 127))
def test_every_code_survives_the_way_through_real_numbers(
    tmp_path: Path, codes: list[int], scale: float, zero_point: int
) -> None:
    tensor = Tensor("x", (1, 6), DataType.INT8, Quantization.per_tensor(float(numpy.float32(scale)), zero_point))
    file = _file(tmp_path, "x.bin", numpy.array(codes, numpy.int8).tobytes())
    samples = read_samples([file], [tensor], raw_type="int8")["x"]
    assert _codes(samples, tensor).reshape(-1).tolist() == codes


def test_files_are_put_one_after_the_other(tmp_path: Path) -> None:
    numpy.save(tmp_path / "many.npy", numpy.ones((3, 6), numpy.float32))
    numpy.savez(tmp_path / "one.npz", whatever=numpy.zeros((1, 6), numpy.float32))
    samples = read_samples([tmp_path / "many.npy", tmp_path / "one.npz"], [SOUND])["sound"]
    assert samples[:, 0, 0].tolist() == [1, 1, 1, 0]


def test_several_inputs_come_by_name(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "both.npz", image=numpy.zeros((2, 4, 4, 3)), sound=numpy.ones((2, 6)))
    samples = read_samples([tmp_path / "both.npz"], [IMAGE, SOUND])
    assert {name: values.shape[0] for name, values in samples.items()} == {"image": 2, "sound": 2}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("short.bin", bytes(47), "47 bytes"),
        ("odd.npy", b"\x93NUMPY garbage", "does not hold arrays"),
        ("empty.npz", b"", "does not hold arrays"),
        ("shape.npy", numpy.zeros((2, 5), numpy.float32), "the input is"),
        ("type.npy", numpy.zeros((1, 48), numpy.complex64).reshape(1, 4, 4, 3), "complex64"),
        ("pickled.npy", numpy.array([{"a": 1}], dtype=object), "does not hold arrays"),
    ],
)
def test_unusable_files_are_named(name: str, content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        numpy.save(path, content, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(UnreadableSamples, match="(?i)" + message) as caught:
        read_samples([path], [IMAGE])
    assert name in str(caught.value)


def test_unsigned_bytes_need_a_zero_point_at_the_end(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.zeros((1, 6), numpy.uint8))
    with pytest.raises(UnreadableSamples, match="zero point is 89"):
        read_samples([tmp_path / "x.npy"], [SOUND])


def test_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED)
    with bomb, bomb.open("x.npy", "w", force_zip64=True) as entry:
        entry.write(_header((1 << 30,)))
        for _ in range(40):
            entry.write(bytes(1 << 24))
    with pytest.raises(UnreadableSamples, match="larger than"):
        read_samples([tmp_path / "bomb.npz"], [SOUND])


def _header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(stream, {"descr": "|i1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_header_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    path = _file(tmp_path, "claims.npy", _header((1 << 40,)))
    with pytest.raises(UnreadableSamples):
        read_samples([path], [SOUND])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(["x.npy", "x.npz", "x.bin"]))
def test_any_bytes_give_samples_or_an_error_of_ours(tmp_path: Path, content: bytes, name: str) -> None:
    with contextlib.suppress(Lwm2mMlError):
        read_samples([_file(tmp_path, name, content)], [SOUND])


def test_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    for name in ("none.npy", "none.bin"):
        with pytest.raises(UsageError, match="none"):
            read_samples([tmp_path / name], [SOUND])


def test_calibration_file_holds_one_array(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "two.npz", a=numpy.zeros(1), b=numpy.zeros(1))
    with pytest.raises(UnreadableSamples, match="a, b"):
        read_calibration(tmp_path / "two.npz")
