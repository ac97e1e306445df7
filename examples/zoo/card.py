"""Writes card.toml for a folder of model files: what the models are, from which data, and what was measured."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """What is known of one model file; accuracy in percent, other figures by name."""

    name: str
    content: bytes
    weights: int
    macs: int
    accuracy: float
    metrics: Mapping[str, float] = field(default_factory=dict)


def write_card(folder: pathlib.Path, head: str, array: str, variants: Sequence[VariantFacts]) -> None:
    """Write model files and `card.toml`; the calibration data is in the folder already. Variants: small to large."""
    text = head + f'\n[calibration]\nfile = "calibration.npz"\narray = "{array}"\nsha256 = "{_digest(folder)}"\n'
    for variant in variants:
        (folder / f"{variant.name}.onnx").write_bytes(variant.content)
        digest = hashlib.sha256(variant.content).hexdigest()
        text += f'\n[[variants]]\nname = "{variant.name}"\nfile = "{variant.name}.onnx"\n'
        text += f"weights = {variant.weights}\nmacs = {variant.macs}\n"
        text += f'test_accuracy_percent = {variant.accuracy}\nsha256 = "{digest}"\n'
        figures = ", ".join(f"{json.dumps(name)} = {value}" for name, value in variant.metrics.items())
        text += f"metrics = {{ {figures} }}\n" if figures else ""
    (folder / "card.toml").write_text(text, encoding="utf-8")


def _digest(folder: pathlib.Path) -> str:
    return hashlib.sha256((folder / "calibration.npz").read_bytes()).hexdigest()
