"""Keras models and SavedModels up to TensorFlow's door: recognised, bounded, refused with a sentence."""

import importlib.util
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel
from lwm2m_ml.compiler.frontends import keras
from lwm2m_ml.compiler.frontends.load import MAXIMUM_MODEL_BYTES, load_model, read_model
from lwm2m_ml.compiler.frontends.model_format import ModelFormat, format_of
from lwm2m_ml.errors import InvalidInputError, MissingExtraError

H5 = b"\x89HDF\r\n\x1a\n"


def _zip(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return packed.getvalue()


KERAS = _zip(config_dot_json=b"{}", metadata_dot_json=b"{}")
SAVED = _zip(net__saved_model_dot_pb=b"graph", net__variables__variables_dot_index=b"v")


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"\x1c\x00\x00\x00TFL3", ModelFormat.TFLITE),
        (H5 + b"rest", ModelFormat.KERAS_H5),
        (KERAS, ModelFormat.KERAS),
        (SAVED, ModelFormat.SAVED_MODEL),
        (b"PK\x03\x04 damaged", ModelFormat.KERAS),
        (b"PK\x03\x04TFL3", ModelFormat.KERAS),
        (b"", ModelFormat.ONNX),
        (b"anything", ModelFormat.ONNX),
    ],
)
def test_format_is_told_by_content(content: bytes, form: ModelFormat) -> None:
    assert format_of(content) is form
    assert form.is_program == (form in (ModelFormat.KERAS_H5, ModelFormat.SAVED_MODEL))


@given(st.binary(max_size=200))
def test_every_file_has_a_format(content: bytes) -> None:
    assert format_of(b"PK\x03\x04" + content) in (ModelFormat.KERAS, ModelFormat.SAVED_MODEL)
    assert format_of(content) in ModelFormat


@pytest.mark.parametrize("content", [H5, KERAS, SAVED])
def test_without_tensorflow_one_sentence_says_what_to_install(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"lwm2m-ml\[tensorflow\]"):
        load_model(content)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """TensorFlow is there, never started, and the folders that it would have been given are noted."""
    folders: list[Path] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        folders.append(Path(command[-2]))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(keras, "version", lambda _: "0")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    return folders


@pytest.mark.parametrize("content", [KERAS[:-30], b"PK\x03\x04" + b"\x00" * 100])
def test_damaged_archive_never_reaches_tensorflow(content: bytes, reached: list[Path]) -> None:
    with pytest.raises(UnreadableModel, match="damaged"):
        load_model(content)
    assert not reached


def test_archive_that_would_unpack_to_gigabytes_never_reaches_tensorflow(reached: list[Path]) -> None:
    bomb = _zip(config_dot_json=b"\x00" * (300 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(ModelTooLarge, match="256 MiB"):
        load_model(bomb)
    assert not reached


def test_names_that_lead_out_of_the_folder_are_refused(reached: list[Path]) -> None:
    with pytest.raises(UnreadableModel, match="evil"):
        load_model(_zip(saved_model_dot_pb=b"graph", **{"..__..__evil": b"x"}))
    assert not reached


def test_end_of_tensorflow_is_told(reached: list[Path]) -> None:
    with pytest.raises(UnreadableModel, match="ended with 1"):
        load_model(KERAS)
    assert len(reached) == 1
    assert not reached[0].exists()


def test_folder_of_a_saved_model_becomes_the_same_bytes_each_time(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables" / "variables.index").write_bytes(b"v")
    (tmp_path / "link").symlink_to("/etc/passwd")
    content = read_model(tmp_path)
    assert format_of(content) is ModelFormat.SAVED_MODEL
    assert content == read_model(tmp_path)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["saved_model.pb", "variables/variables.index"]


def test_other_folders_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"saved_model\.pb"):
        read_model(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x00" * (MAXIMUM_MODEL_BYTES + 1))
    with pytest.raises(ModelTooLarge):
        read_model(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("content", [H5 + b"\x00" * 500, KERAS, SAVED])
def test_damaged_content_is_an_error_of_one_sentence(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    with pytest.raises(InvalidInputError) as caught:
        load_model(content)
    assert "cannot be read" in caught.value.message
    assert "\n" not in caught.value.message
