"""Trains the head of a digits model centrally, with TensorFlow, on all examples at once; prints what that took as JSON.

    .venv/bin/python examples/digits/train_head.py digits-small.onnx calibration.npz

What devices have to be measured against: the same frozen int8 backbone, the same examples, the same head of zeros, but
nobody's privacy. TensorFlow gets the backbone's features, computed beforehand in this process: its own processes see
neither the compiler nor the images, which is in TensorFlow's favour. Memory is each process's peak resident set.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.interpreter import run_all
from lwm2m_ml.compiler.quantize.encoding import encoded
from lwm2m_ml.compiler.training.head import find_head
from lwm2m_ml_simulator.inputs.digits import load_digits_split

TENSORFLOW = pathlib.Path(__file__).with_name("head_tensorflow.py")


def features(model: pathlib.Path, calibration: pathlib.Path) -> dict[str, Any]:
    """What the int8 backbone makes of the train and the test part, in real values, with their classes."""
    with np.load(calibration) as file:
        graph, _ = integer_graph(model, file[file.files[0]], "litert")
    name, split = find_head(graph, 1).features, load_digits_split()
    image, row = graph.tensor(graph.inputs[0]), graph.tensor(name)
    found: dict[str, Any] = {}
    for part in ("train", "test"):
        digits = getattr(split, part)
        codes = encoded(image, digits.images.reshape(-1, *image.shape))
        rows = run_all(graph, {image.name: codes}, keep=(name,))[name][:, 0].astype(np.float32)
        found[part] = (rows - row.quantization.zero_point) * np.float32(row.quantization.scale)
        found[f"{part}_classes"] = digits.labels
    return found


def in_own_process(file: pathlib.Path, what: str) -> dict[str, float]:
    """Let TensorFlow do something in a fresh process."""
    done = subprocess.run(
        [sys.executable, str(TENSORFLOW), str(file), what], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip()[-500:])
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main(model: pathlib.Path, calibration: pathlib.Path) -> None:
    """Compute the features, train and infer in processes of their own, print all as one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "features.npz"
        np.savez(file, **features(model, calibration))
        told = {name: in_own_process(file, what) for name, what in (("training", "train"), ("inference", "infer"))}
    print(json.dumps(told))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
