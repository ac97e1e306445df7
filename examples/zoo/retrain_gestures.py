"""Trains the larger gesture classifier anew with inputs captured in the field, beside those it was trained on first.

    .venv/bin/python examples/zoo/retrain_gestures.py CAPTURED.npz FOLDER

`CAPTURED.npz` is what `lwm2m-ml captures export gestures` writes. One input in five with a known class is kept to
measure on. Writes `model.onnx` and `calibration.npz` to the folder, and prints what was measured as JSON.
"""

from __future__ import annotations

import json
import pathlib
import sys

import gestures
import numpy as np

FIRST_TRAIN = 3_000
REPEATED = 8
"""How often each captured input is shown in an epoch: there are few of them."""
MEASURED_SHARE = 5


def main(captured: pathlib.Path, folder: pathlib.Path) -> None:
    """Train, measure and write."""
    with np.load(captured, allow_pickle=False) as file:
        known = file["labels"] >= 0
        windows, labels = file["inputs"][known][:, np.newaxis], file["labels"][known]
    windows = windows.reshape(len(labels), 1, gestures.AXES, gestures.WINDOW)
    measured = np.arange(len(labels)) % MEASURED_SHARE == 0
    first_windows, first_labels = gestures.draw(FIRST_TRAIN, np.random.default_rng(gestures.SEED))
    model = gestures.train(
        gestures.NETWORKS["gestures-large"],
        np.concatenate([first_windows, *[windows[~measured]] * REPEATED]),
        np.concatenate([first_labels, *[labels[~measured]] * REPEATED]),
    )
    content = gestures.export("gestures-large", model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    np.savez_compressed(folder / "calibration.npz", windows=windows)
    figures = {
        "captured": len(labels),
        "measured": int(measured.sum()),
        "accuracy": gestures.accuracy_percent(content, windows[measured], labels[measured]),
        "macs": gestures.macs_of(model),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
