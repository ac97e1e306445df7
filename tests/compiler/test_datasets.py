"""Samples and labels from the files that users have; damaged ones are named."""

import contextlib
import wave
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lwm2m_ml.compiler.datasets import read_dataset
from lwm2m_ml.compiler.errors import UnreadableSamples
from lwm2m_ml.errors import InvalidInputError, UsageError


def test_npz_with_samples_and_labels(tmp_path: Path) -> None:
    images = numpy.random.default_rng(1).random((6, 1, 4, 4), dtype=numpy.float32)
    numpy.savez(tmp_path / "data.npz", images=images, labels=numpy.arange(6))
    data = read_dataset(tmp_path / "data.npz", (1, 1, 4, 4))
    assert data.samples.shape == (6, 1, 1, 4, 4)
    assert data.samples[:, 0].tolist() == images.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == list(range(6))


def test_npz_of_samples_alone_has_no_labels(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "data.npz", y=numpy.zeros((3, 5)))
    assert read_dataset(tmp_path / "data.npz", (1, 5)).labels is None


def test_csv_with_named_label_column(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,class,b\n1,0,2\n3,1,4.5\n", encoding="utf-8")
    data = read_dataset(tmp_path / "data.csv", (1, 2))
    assert data.samples.tolist() == [[[1, 2]], [[3, 4.5]]]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1]


def test_csv_without_names_is_samples(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2,3\n4,5,6\n", encoding="utf-8")
    data = read_dataset(tmp_path / "data.csv", (1, 3))
    assert data.labels is None
    assert data.samples.shape == (2, 1, 3)


@pytest.mark.parametrize("shape", [(1, 4, 6, 3), (1, 3, 4, 6), (1, 4, 6, 1), (1, 1, 4, 6)])
def test_folders_of_images_are_classes_in_either_layout(shape: tuple[int, ...], tmp_path: Path) -> None:
    for name, colour in (("dark", (0, 0, 0)), ("light", (255, 255, 255))):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("RGB", (12, 8), colour).save(tmp_path / name / f"{number}.png")
    data = read_dataset(tmp_path, shape)
    assert data.samples.shape == (4, *shape)
    assert data.classes == ("dark", "light")
    assert data.labels is not None
    assert data.samples.reshape(4, -1).mean(axis=1).tolist() == data.labels.tolist() == [0, 0, 1, 1]


def test_colours_keep_their_places(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (255, 0, 51)).save(tmp_path / "one.png")
    channels_last = read_dataset(tmp_path, (1, 2, 2, 3)).samples
    channels_first = read_dataset(tmp_path, (1, 3, 2, 2)).samples
    assert channels_last[0, 0, 0, 0].tolist() == pytest.approx([1, 0, 0.2])
    assert channels_first[0].transpose(0, 2, 3, 1).tolist() == channels_last[0].tolist()


@pytest.mark.parametrize(("width", "largest"), [(1, 127), (2, 32767), (4, 2**31 - 1)])
def test_recordings_are_mono_in_unit_range(width: int, largest: int, tmp_path: Path) -> None:
    values = numpy.array([largest, -largest, 0, largest // 2] * 2)
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(width)
        sound.setframerate(16_000)
        coded = values + 128 if width == 1 else values
        sound.writeframes(coded.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes())
    data = read_dataset(tmp_path, (1, 6))
    assert data.samples[0, 0].tolist() == pytest.approx([0, 0.25, 0, 0.25, 0, 0], abs=0.01)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.npz", b"PK\x03\x04 nothing"),
        ("data.npy", b"\x93NUMPY\x01\x00"),
        ("data.csv", b"1,2\n3\n"),
        ("data.csv", b"1,2\n3,x\n"),
        ("data.csv", b"\xff\xfe\x00"),
        ("data.csv", b""),
        ("data.csv", b"label,a\n0.5,1\n"),
        ("data.csv", b"1,nan\n"),
        ("data.txt", b"1 2"),
    ],
)
def test_damaged_files_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableSamples, match="data"):
        read_dataset(tmp_path / name, (1, 2))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    numpy.save(tmp_path / "data.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableSamples):
        read_dataset(tmp_path / "data.npy", (1, 1))


@pytest.mark.parametrize("name", ["a.png", "a.wav"])
def test_damaged_files_in_folders_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"RIFF\x00\x00\x00\x00WAVE")
    with pytest.raises(UnreadableSamples, match=name):
        read_dataset(tmp_path, (1, 2, 2, 3))


def test_mixed_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSamples, match="no files"):
        read_dataset(tmp_path, (1, 2))
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.wav").write_bytes(b"")
    with pytest.raises(UnreadableSamples, match=r"\.png, \.wav"):
        read_dataset(tmp_path, (1, 2))


def test_absent_data_and_wrong_shapes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_dataset(tmp_path / "absent.npz", (1, 2))
    numpy.save(tmp_path / "data.npy", numpy.zeros((3, 5)))
    with pytest.raises(UnreadableSamples, match="1×4"):
        read_dataset(tmp_path / "data.npy", (1, 4))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), byte=st.integers(0, 255), name=st.sampled_from(["d.npz", "d.csv", "x.png", "x.wav"]))
def test_any_changed_byte_gives_samples_or_a_clear_error(place: int, byte: int, name: str, tmp_path: Path) -> None:
    folder = tmp_path / f"{name} files"
    folder.mkdir(exist_ok=True)
    content = bytearray(_intact(tmp_path, name))
    content[place % len(content)] = byte
    (folder / name).write_bytes(content)
    with contextlib.suppress(InvalidInputError):
        data = read_dataset(folder if name.startswith("x") else folder / name, (1, 4, 4, 1))
        assert data.samples.shape[1:] == (1, 4, 4, 1)


def _intact(folder: Path, name: str) -> bytes:
    path = folder / name
    values = numpy.arange(32, dtype=numpy.float32).reshape(2, 4, 4, 1)
    if not path.exists() and name.endswith("npz"):
        numpy.savez(path, images=values, labels=numpy.arange(2))
    elif not path.exists() and name.endswith("csv"):
        rows = (",".join(map(str, row)) for row in values.reshape(2, 16))
        path.write_text("\n".join(rows), encoding="utf-8")
    elif not path.exists() and name.endswith("png"):
        Image.new("L", (5, 5), 99).save(path)
    elif not path.exists():
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(b"\x01\x02" * 16)
    return path.read_bytes()
