"""Writes card.toml beside the variants: what a zoo takes in as one model."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from lwm2m_ml.compiler.shrink.variant import Variant

_HEAD = """\
# Written by `lwm2m-ml shrink`; every figure was measured on the files beside this one.
name = {name}
version = "1.0.0"
description = {description}
labels = {labels}

[calibration]
file = "calibration.npz"
array = "samples"
sha256 = {calibration}
"""
_VARIANT = """
[[variants]]
name = {name}
file = {file}
weights = {weights}
macs = {macs}
test_accuracy_percent = {accuracy}
sha256 = {sha256}
"""


def write_card(folder: Path, name: str, variants: Sequence[Variant], labels: Sequence[str]) -> Path:
    """The card of these variants, whose files and calibration data are in the folder already."""
    calibration = hashlib.sha256((folder / "calibration.npz").read_bytes()).hexdigest()
    text = _HEAD.format(
        name=json.dumps(name),
        description=json.dumps(f"Smaller variants of {name}"),
        labels=json.dumps(list(labels)),
        calibration=json.dumps(calibration),
    )
    for variant in variants:
        text += _VARIANT.format(
            name=json.dumps(variant.name),
            file=json.dumps(f"{variant.name}.onnx"),
            weights=variant.weights,
            macs=variant.macs,
            accuracy=round(variant.accuracy, 2),
            sha256=json.dumps(variant.sha256),
        )
    path = folder / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path
