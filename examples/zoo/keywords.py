"""Trains a wake-word detector and a recogniser of four commands on synthetic words, for the demonstration of cascades.

    .venv/bin/python examples/zoo/keywords.py FOLDER

Writes `wake.onnx`, `commands.onnx` and `calibration.npz` to the folder, and prints what was measured on words that the
training never heard as JSON.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
from graph import GraphWriter

from lwm2m_ml_simulator.inputs.keywords import COMMANDS, FIRST_COMMAND, LABELS, NOISE, OTHER, WAKE, WINDOW, word

SEED = 21
TRAIN, TEST, CALIBRATION = 5_000, 1_500, 300
EPOCHS, BATCH = 12, 64
KERNEL, LATER_KERNEL, LATER_STRIDE = 32, 7, 3
NETWORKS = {"wake": (4, 8, 16), "commands": (12, 24, 8)}
"""Filters of the first convolution along time and of those after it, and the stride of the first."""
CLASSES = {"wake": ("other", "wake"), "commands": ("none", *COMMANDS)}


def draw(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw words and noise, every one as often as the others: windows [count, 1, 1, WINDOW] and labels."""
    labels = generator.integers(0, len(LABELS), count)
    windows = np.stack([word(int(label), generator) + generator.normal(0.0, 0.02, WINDOW) for label in labels])
    return windows.astype(np.float32)[:, np.newaxis, np.newaxis], labels


def classes_of(name: str, labels: np.ndarray) -> np.ndarray:
    """What a network is to answer to windows with these labels."""
    if name == "wake":
        return (labels == WAKE).astype(int)
    return np.where(np.isin(labels, (NOISE, OTHER, WAKE)), 0, labels - FIRST_COMMAND + 1)


def train(name: str, windows: np.ndarray, answers: np.ndarray) -> keras.Model:
    """Train two convolutions along time with strides, their mean, and one layer."""
    keras.utils.set_random_seed(SEED)
    first, second, stride = NETWORKS[name]
    model = keras.Sequential(
        [
            keras.Input((1, WINDOW, 1)),
            keras.layers.Conv2D(first, (1, KERNEL), (1, stride), activation="relu", name="first"),
            keras.layers.Conv2D(second, (1, LATER_KERNEL), (1, LATER_STRIDE), activation="relu", name="second"),
            keras.layers.Conv2D(second, (1, LATER_KERNEL), (1, LATER_STRIDE), activation="relu", name="third"),
            keras.layers.Flatten(),
            keras.layers.Dense(len(CLASSES[name]), "softmax", name="last"),
        ]
    )
    model.compile(keras.optimizers.AdamW(4e-3, weight_decay=1e-3), "sparse_categorical_crossentropy")
    model.fit(windows.transpose(0, 2, 3, 1), answers, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def export(name: str, model: keras.Model) -> bytes:
    """Write the network, channels first."""
    graph = GraphWriter("audio", (1, 1, 1, WINDOW))
    for layer, stride in (("first", NETWORKS[name][2]), ("second", LATER_STRIDE), ("third", LATER_STRIDE)):
        kernel, bias = model.get_layer(layer).get_weights()
        weight = graph.constant(f"{layer}.weight", kernel.transpose(3, 2, 0, 1))  # HWIO to OIHW
        shape = list(kernel.shape[:2])
        graph.node(
            "Conv", layer, weight, graph.constant(f"{layer}.bias", bias), kernel_shape=shape, strides=[1, stride]
        )
        graph.node("Relu", f"{layer}.relu")
    graph.node("Flatten", "flat", axis=1)
    kernel, bias = model.get_layer("last").get_weights()
    channels = NETWORKS[name][1]
    # The network was trained with channels last: its flat values are in another order.
    kernel = kernel.reshape(-1, channels, kernel.shape[1]).transpose(1, 0, 2).reshape(kernel.shape)
    graph.dense("last", kernel, bias)
    graph.node("Softmax", "probabilities", axis=-1)
    return graph.file(name, (1, len(CLASSES[name])))


def accuracy_percent(content: bytes, windows: np.ndarray, answers: np.ndarray) -> float:
    """Measure the written file with ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    decided = [session.run(None, {"audio": window[np.newaxis]})[0].argmax() for window in windows]
    return round(100 * float((np.array(decided) == answers).mean()), 2)


def macs_of(name: str) -> int:
    """Count multiply-accumulates of one window."""
    first, second, first_stride = NETWORKS[name]
    positions, total, inputs = WINDOW, 0, 1
    for kernel, stride, filters in ((KERNEL, first_stride, first), *((LATER_KERNEL, LATER_STRIDE, second),) * 2):
        positions = (positions - kernel) // stride + 1
        total += positions * kernel * inputs * filters
        inputs = filters
    return total + positions * inputs * len(CLASSES[name])


def main(folder: pathlib.Path) -> None:
    """Train, measure and write both."""
    generator = np.random.default_rng(SEED)
    windows, labels = draw(TRAIN, generator)
    test_windows, test_labels = draw(TEST, generator)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "calibration.npz", windows=windows[:CALIBRATION])
    figures = {}
    for name, classes in CLASSES.items():
        content = export(name, train(name, windows, classes_of(name, labels)))
        (folder / f"{name}.onnx").write_bytes(content)
        accuracy = accuracy_percent(content, test_windows, classes_of(name, test_labels))
        figures[name] = {"accuracy": accuracy, "macs": macs_of(name), "labels": classes}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
