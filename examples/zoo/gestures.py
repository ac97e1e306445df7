"""Trains the motion-gesture classifiers on synthetic motion, and measures them on motion of other, unseen draws.

Run from the root of the repository:  .venv/bin/python examples/zoo/gestures.py
"""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
from card import VariantFacts, write_card
from graph import GraphWriter, weights_of

from lwm2m_ml_simulator.inputs.gestures import AXES, WINDOW, Gestures

SEED = 12
TRAIN, CALIBRATION, TEST = 6_000, 200, 3_000
EPOCHS, BATCH = 25, 64
KERNEL = 5
CLASSES = len(Gestures.labels)
NETWORKS = {"gestures-small": (8, 12), "gestures-large": (16, 32)}
"""Filters of the two convolutions along time."""
SHIPPED = pathlib.Path(__file__).parents[2] / "lwm2m_ml" / "service" / "zoo" / "shipped" / "gestures"

HEAD = """\
# Written by examples/zoo/gestures.py; every figure was measured on the files beside this one.
name = "gestures"
version = "1.0.0"
description = "Motion gestures of a wrist, three axes, 64 samples at 50 Hz: two convolutional networks"
licence = "MIT"
labels = ["idle", "wave", "circle", "shake", "tap"]

[data]
name = "synthetic motion gestures"
source = "lwm2m_ml_simulator.inputs.gestures, seed 12: SYNTHETIC, nobody moved"
licence = "MIT"
split = "6000 windows to train, 200 to calibrate, 3000 to test, all drawn anew"

[input]
name = "motion"
shape = [1, 1, 3, 64]
type = "float32"
range = [-4.0, 4.0]
preprocessing = "acceleration of three axes in g, gravity included"

[output]
name = "probabilities"
shape = [1, 5]
type = "float32"
"""


def draw(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw windows [count, 1, 3, 64] and their labels."""
    source = Gestures()
    samples = [source.sample(generator, 0.0) for _ in range(count)]
    return np.stack([sample.values for sample in samples]), np.array([sample.label for sample in samples])


def train(filters: tuple[int, int], windows: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Train two convolutions along time, the first over all axes at once; the last weights are taken."""
    keras.utils.set_random_seed(SEED)
    first, second = filters
    model = keras.Sequential(
        [
            keras.Input((AXES, WINDOW, 1)),
            keras.layers.Conv2D(first, (AXES, KERNEL), activation="relu", name="first"),
            keras.layers.MaxPooling2D((1, 4)),
            keras.layers.Conv2D(second, (1, KERNEL), activation="relu", name="second"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(CLASSES, "softmax", name="last"),
        ]
    )
    steps = EPOCHS * -(-len(windows) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-3), "sparse_categorical_crossentropy")
    model.fit(windows.transpose(0, 2, 3, 1), labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def export(name: str, model: keras.Model) -> bytes:
    """Write the network, channels first."""
    graph = GraphWriter("motion", (1, 1, AXES, WINDOW))
    for layer, pooled in (("first", True), ("second", False)):
        kernel, bias = model.get_layer(layer).get_weights()
        weight = graph.constant(f"{layer}.weight", kernel.transpose(3, 2, 0, 1))  # HWIO to OIHW
        graph.node("Conv", layer, weight, graph.constant(f"{layer}.bias", bias), kernel_shape=list(kernel.shape[:2]))
        graph.node("Relu", f"{layer}.relu")
        if pooled:
            graph.node("MaxPool", f"{layer}.pool", kernel_shape=[1, 4], strides=[1, 4])
    graph.node("GlobalAveragePool", "average")
    graph.node("Flatten", "flat", axis=1)
    graph.dense("last", *model.get_layer("last").get_weights())
    graph.node("Softmax", "probabilities", axis=-1)
    return graph.file(name, (1, CLASSES))


def accuracy_percent(content: bytes, windows: np.ndarray, labels: np.ndarray) -> float:
    """Measure the written file with ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    decided = [session.run(None, {"motion": window[np.newaxis]})[0].argmax() for window in windows]
    return round(100 * float((np.array(decided) == labels).mean()), 2)


def macs_of(model: keras.Model) -> int:
    """Count multiply-accumulates of one window."""
    first, second = (model.get_layer(name) for name in ("first", "second"))
    positions = WINDOW - KERNEL + 1
    later = positions // 4 - KERNEL + 1
    return int(
        np.prod(first.kernel.shape) * positions
        + np.prod(second.kernel.shape) * later
        + np.prod(model.get_layer("last").kernel.shape)
    )


def main() -> None:
    """Train, measure and write everything."""
    generator = np.random.default_rng(SEED)
    windows, labels = draw(TRAIN, generator)
    calibration, _ = draw(CALIBRATION, generator)
    test = draw(TEST, generator)
    SHIPPED.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(SHIPPED / "calibration.npz", windows=calibration)
    variants = []
    for name, filters in NETWORKS.items():
        model = train(filters, windows, labels)
        content = export(name, model)
        accuracy = accuracy_percent(content, *test)
        variants.append(VariantFacts(name, content, weights_of(content), macs_of(model), accuracy))
        print(name, variants[-1].weights, "weights,", variants[-1].macs, "MACs,", accuracy, "% right")
    write_card(SHIPPED, HEAD, "windows", variants)


if __name__ == "__main__":
    main()
