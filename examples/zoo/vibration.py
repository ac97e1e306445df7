"""Trains the vibration-anomaly autoencoders on synthetic windows of a healthy machine, and measures them on faults.

Run from the root of the repository:  .venv/bin/python examples/zoo/vibration.py

An autoencoder learns to repeat healthy vibration only. The written model compares its input with the repetition, and
looks at the energy too, because unbalance is a healthy pattern that is too strong; both thresholds come from healthy
windows alone. Faults are seen in the test, never in training.
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

from lwm2m_ml_simulator.inputs.vibration import ANOMALY, WINDOW, Vibration

SEED = 11
TRAIN, VALIDATION, CALIBRATION, TEST = 20_000, 4_000, 200, 4_000
EPOCHS, BATCH = 40, 128
CODE = 8
QUANTILE = 0.995
"""The share of healthy windows that each of the two thresholds lets pass."""
STEEPNESS = 8.0
NETWORKS = {"vibration-small": (), "vibration-large": (48,)}
SHIPPED = pathlib.Path(__file__).parents[2] / "lwm2m_ml" / "service" / "zoo" / "shipped" / "vibration"

HEAD = """\
# Written by examples/zoo/vibration.py; every figure was measured on the files beside this one.
name = "vibration"
version = "1.0.0"
description = "Vibration of a machine, 128 samples at 1 kHz: autoencoders that tell anomalies from healthy windows"
licence = "MIT"
labels = ["normal", "anomaly"]

[data]
name = "synthetic vibration of a rotating machine"
source = "lwm2m_ml_simulator.inputs.vibration, seed 11: SYNTHETIC, no real machine was measured"
licence = "MIT"
split = "20000 healthy windows to train, 4000 healthy ones for the thresholds, 4000 to test, half of them with a fault"

[input]
name = "window"
shape = [1, 1, 1, 128]
type = "float32"
range = [-4.0, 4.0]
preprocessing = "acceleration of one axis in g, as it is"

[output]
name = "probabilities"
shape = [1, 2]
type = "float32"
"""


def draw(count: int, anomalies: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw windows [count, 128] and their labels."""
    source = Vibration(anomalies)
    samples = [source.sample(generator, 0.0) for _ in range(count)]
    return np.stack([sample.values.reshape(WINDOW) for sample in samples]), np.array([s.label for s in samples])


def train(hidden: tuple[int, ...], windows: np.ndarray) -> keras.Model:
    """Train an autoencoder with these hidden layers on each side of its code."""
    keras.utils.set_random_seed(SEED)
    layers = [keras.Input((WINDOW,))]
    layers += [keras.layers.Dense(units, "relu") for units in hidden]
    layers.append(keras.layers.Dense(CODE))
    layers += [keras.layers.Dense(units, "relu") for units in reversed(hidden)]
    layers.append(keras.layers.Dense(WINDOW))
    model = keras.Sequential(layers)
    steps = EPOCHS * -(-len(windows) // BATCH)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)), "mse")
    model.fit(windows, windows, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def export(name: str, model: keras.Model, healthy: np.ndarray) -> bytes:
    """Write the network with its score: how far off the repetition is and how strong the window, against limits."""
    error = np.mean((healthy - model.predict(healthy, verbose=0)) ** 2, axis=1)
    energy = np.mean(healthy**2, axis=1)
    limits = np.array([np.quantile(error, QUANTILE), np.quantile(energy, QUANTILE)])
    graph = GraphWriter("window", (1, 1, 1, WINDOW))
    flat = graph.node("Flatten", "flat", axis=1)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for number, layer in enumerate(dense):
        graph.dense(f"dense{number}", *layer.get_weights())
        if layer.activation is keras.activations.relu:
            graph.node("Relu", f"relu{number}")
    graph.node("Sub", "difference", graph.value, value=flat)
    graph.node("Mul", "error", "difference")
    graph.node("ReduceMean", "mean_error", axes=[1], keepdims=1)
    graph.node("Mul", "power", flat, value=flat)
    graph.node("ReduceMean", "energy", axes=[1], keepdims=1)
    graph.node("Concat", "features", "energy", value="mean_error", axis=1)
    # Each feature in units of its limit, counted from where it passes it; then the odds of an anomaly.
    graph.dense("beyond", np.diag(1 / limits), -np.ones(2))
    graph.node("Relu", "excess")
    graph.dense("odds", np.array([[-1.0, 1.0], [-1.0, 1.0]]) * STEEPNESS, np.array([0.5, -0.5]))
    graph.node("Softmax", "probabilities", axis=-1)
    return graph.file(name, (1, 2))


def measure(content: bytes, windows: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Measure the written file with ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    decided = np.array(
        [session.run(None, {"window": window.reshape(1, 1, 1, WINDOW)})[0].argmax() for window in windows]
    )
    faulty = labels == ANOMALY
    return {
        "detected faults, percent": round(100 * float((decided[faulty] == ANOMALY).mean()), 2),
        "false alarms, percent": round(100 * float((decided[~faulty] == ANOMALY).mean()), 2),
        "accuracy": round(100 * float((decided == labels).mean()), 2),
    }


def main() -> None:
    """Train, measure and write everything."""
    generator = np.random.default_rng(SEED)
    healthy, _ = draw(TRAIN, 0.0, generator)
    validation, _ = draw(VALIDATION, 0.0, generator)
    calibration, _ = draw(CALIBRATION, 0.2, generator)
    windows, labels = draw(TEST, 0.5, generator)
    SHIPPED.mkdir(parents=True, exist_ok=True)
    shaped = calibration.reshape(-1, 1, 1, WINDOW).astype(np.float32)
    np.savez_compressed(SHIPPED / "calibration.npz", windows=shaped)
    variants = []
    for name, hidden in NETWORKS.items():
        model = train(hidden, healthy)
        content = export(name, model, validation)
        metrics = measure(content, windows, labels)
        macs = sum(layer.kernel.shape[0] * layer.kernel.shape[1] for layer in model.layers) + 3 * WINDOW
        variants.append(VariantFacts(name, content, weights_of(content), int(macs), metrics.pop("accuracy"), metrics))
        print(name, variants[-1].weights, "weights,", variants[-1].accuracy, "% right,", metrics)
    write_card(SHIPPED, HEAD, "windows", variants)


if __name__ == "__main__":
    main()
