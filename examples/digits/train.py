"""Trains the three digit classifiers, writes them as ONNX and describes them in card.toml.

Run from the root of the repository:  .venv/bin/python examples/digits/train.py
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from augmentation import distort
from card import VariantFacts, write_card
from networks import CLASS_COUNT, INPUT_SHAPE, NETWORKS, Convolution, Layer, Pooling, size_of
from onnx_export import INPUT_NAME, export

from lwm2m_ml_simulator.inputs.digits import DigitsPart, load_digits_split

SEED = 8
EPOCHS = 120
BATCH = 32
PEAK_LEARNING_RATE = 4e-3
LABEL_SMOOTHING = 0.05
SHIPPED = pathlib.Path(__file__).parents[2] / "lwm2m_ml" / "service" / "zoo" / "shipped" / "digits"


def build(layers: tuple[Layer, ...]) -> Any:
    """Make the untrained Keras network; layer names carry the position in the table, for the export."""
    channels, height, width = INPUT_SHAPE
    stack: list[Any] = [keras.Input((height, width, channels))]
    for index, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            stack += [
                keras.layers.Conv2D(layer.filters, 3, padding="same", use_bias=False, name=f"convolution{index}"),
                keras.layers.BatchNormalization(momentum=0.95, name=f"normalization{index}"),
                keras.layers.ReLU(),
            ]
        elif isinstance(layer, Pooling):
            stack.append(keras.layers.MaxPooling2D(2))
        else:
            stack += [*_flatten_once(stack), keras.layers.Dense(layer.units, "relu", name=f"dense{index}")]
            stack.append(keras.layers.Dropout(0.3))
    stack += _flatten_once(stack)
    stack.append(keras.layers.Dense(CLASS_COUNT, "softmax", name=f"dense{len(layers)}"))
    return keras.Sequential(stack)


def _flatten_once(stack: list[Any]) -> list[Any]:
    return [] if any(isinstance(layer, keras.layers.Flatten) for layer in stack) else [keras.layers.Flatten()]


def train(layers: tuple[Layer, ...], part: DigitsPart, epochs: int) -> Any:
    """Train on freshly distorted images every epoch; the last weights are taken, nothing is selected."""
    keras.utils.set_random_seed(SEED)
    generator = np.random.default_rng(SEED)
    model = build(layers)
    steps = epochs * -(-len(part) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(PEAK_LEARNING_RATE, steps)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
    )
    images = part.images.transpose(0, 2, 3, 1)
    targets = np.eye(CLASS_COUNT, dtype=np.float32)[part.labels]
    for _ in range(epochs):
        model.fit(distort(images, generator), targets, batch_size=BATCH, shuffle=True, verbose=0)
    return model


def accuracy_percent(file: bytes, part: DigitsPart) -> float:
    """Measure the written file, not the Keras model, with ONNX Runtime."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    right = sum(
        int(session.run(None, {INPUT_NAME: image[np.newaxis]})[0].argmax() == label)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    return round(100 * right / len(part), 2)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line asked for."""

    output: pathlib.Path
    epochs: int
    names: tuple[str, ...]


def parse_arguments() -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=SHIPPED, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--only", choices=NETWORKS, action="append", help="train this network (default: all)")
    arguments = parser.parse_args()
    return Arguments(arguments.output, arguments.epochs, tuple(arguments.only or NETWORKS))


def main() -> None:
    """Train, write, measure."""
    arguments = parse_arguments()
    tf.config.experimental.enable_op_determinism()
    split = load_digits_split()
    arguments.output.mkdir(parents=True, exist_ok=True)
    variants = []
    for name in arguments.names:
        file = export(name, NETWORKS[name], train(NETWORKS[name], split.train, arguments.epochs))
        (arguments.output / f"{name}.onnx").write_bytes(file)
        size = size_of(NETWORKS[name])
        accuracy = accuracy_percent(file, split.test)
        variants.append(VariantFacts(name, size.weights, size.macs, accuracy, hashlib.sha256(file).hexdigest()))
        held_out = accuracy_percent(file, split.calibration)
        print(f"{name}: {size.weights} weights, {size.macs} MACs, test {accuracy} %, calibration split {held_out} %")
    np.savez_compressed(arguments.output / "calibration.npz", images=split.calibration.images)
    write_card(arguments.output, variants)


if __name__ == "__main__":
    main()
