"""Trains a softmax layer on features with TensorFlow, or only infers: `head_tensorflow.py FEATURES train|infer`.

`train_head.py` runs it in processes of its own, so that each tells its own peak of memory.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import sys
import time

import numpy as np

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""})

import keras

EPOCHS, BATCH, RATE, MOMENTUM, SEED = 30, 16, 0.02, 0.9, 1
KIBIBYTE = 1024


def peak_bytes() -> int:
    """The largest resident set that this process has had (ru_maxrss is in KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE


def main(features: pathlib.Path, *, train: bool) -> None:
    """Train, or leave the head at zero; infer; print what that took as JSON."""
    imported = peak_bytes()
    with np.load(features) as file:
        data = {name: file[name] for name in file.files}
    keras.utils.set_random_seed(SEED)
    head = keras.layers.Dense(10, activation="softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((data["train"].shape[1],)), head])
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), "sparse_categorical_crossentropy")
    started = time.monotonic()
    if train:
        model.fit(data["train"], data["train_classes"], BATCH, EPOCHS, verbose=0)
    seconds = time.monotonic() - started
    right = model.predict(data["test"], verbose=0).argmax(axis=1) == data["test_classes"]
    told = {"accuracy": float(right.mean()), "seconds": seconds, "imported_bytes": imported, "peak_bytes": peak_bytes()}
    print(json.dumps(told))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), train=sys.argv[2] == "train")
