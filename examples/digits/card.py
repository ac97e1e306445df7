"""Writes card.toml, which tells a zoo what the digit classifiers are, where they come from and how good they are."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = """\
# Written by examples/digits/train.py; every figure was measured on the files beside this one.
name = "digits"
version = "1.0.0"
description = "Handwritten digits, 8x8 pixels: three convolutional networks of different size"
licence = "MIT"
labels = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[data]
name = "Optical Recognition of Handwritten Digits"
creators = "E. Alpaydin, C. Kaynak"
source = "UCI Machine Learning Repository, test part, as in scikit-learn's load_digits"
url = "https://doi.org/10.24432/C50P49"
licence = "CC-BY-4.0"
split = "1000 train, 197 calibration, 600 test; fixed seed"

[input]
name = "image"
shape = [1, 1, 8, 8]
type = "float32"
range = [0.0, 1.0]
preprocessing = "pixel / 16"

[output]
name = "probabilities"
shape = [1, 10]
type = "float32"
"""

CALIBRATION = """
[calibration]
file = "calibration.npz"
array = "images"
sha256 = "{sha256}"
"""

VARIANT = """
[[variants]]
name = "{name}"
file = "{name}.onnx"
weights = {weights}
macs = {macs}
test_accuracy_percent = {accuracy}
sha256 = "{sha256}"
"""


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """What is known of one trained network."""

    name: str
    weights: int
    macs: int
    accuracy: float
    sha256: str


def write_card(folder: pathlib.Path, variants: Sequence[VariantFacts]) -> None:
    """Write `card.toml` beside the files that it describes; variants go from small to large."""
    calibration = hashlib.sha256((folder / "calibration.npz").read_bytes()).hexdigest()
    text = HEAD + CALIBRATION.format(sha256=calibration)
    for variant in variants:
        text += VARIANT.format(
            name=variant.name,
            weights=variant.weights,
            macs=variant.macs,
            accuracy=variant.accuracy,
            sha256=variant.sha256,
        )
    (folder / "card.toml").write_text(text, encoding="utf-8")
