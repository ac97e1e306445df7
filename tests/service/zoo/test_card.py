"""Model cards."""

import hashlib
from pathlib import Path

import pytest

from lwm2m_ml.service.zoo.card import CardError, read_card, read_model

CARD = """
name = "tiny"
version = "1.0.0"
labels = ["no", "yes"]
future = "what a later release says is ignored"

[calibration]
file = "samples.npz"
array = "images"
sha256 = "{samples}"

[[variants]]
name = "tiny-s"
file = "tiny.onnx"
weights = 10
macs = 20
test_accuracy_percent = 95.5
sha256 = "{model}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.onnx").write_bytes(b"model")
    (tmp_path / "samples.npz").write_bytes(b"samples")
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("model", "samples")}
    (tmp_path / "card.toml").write_text(CARD.format(**digests))
    return tmp_path


def test_a_model_is_read_with_its_files_by_digest(folder: Path) -> None:
    found = read_model(folder)
    assert set(found.files.values()) == {b"model", b"samples"}
    (variant,) = found.model.variants
    assert (variant.name, variant.weights, variant.macs, variant.accuracy) == ("tiny-s", 10, 20, 95.5)
    assert found.model.calibration is not None
    assert found.model.calibration.array == "images"


def test_a_file_that_was_changed_is_refused(folder: Path) -> None:
    (folder / "tiny.onnx").write_bytes(b"another model")
    with pytest.raises(CardError, match=r"tiny\.onnx is not the file that its card was written for"):
        read_model(folder)


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "samples.npz").unlink()
    with pytest.raises(CardError, match=r"samples\.npz cannot be read"):
        read_model(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "is not TOML"),
        ('name = "x"', "is wrong at version"),
        ('name = "../etc"\nversion = "1"', "is wrong at name"),
        (
            CARD.format(model="0" * 64, samples="0" * 64).replace("tiny.onnx", "../tiny.onnx"),
            "is wrong at variants.0.file",
        ),
        (CARD.format(model="no digest", samples="0" * 64), "is wrong at variants.0.sha256"),
        ("#" * 100_000, "larger than"),
    ],
)
def test_a_wrong_card_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(CardError, match=why):
        read_card(text, where="tiny")
