"""Writes the digits as labelled samples for the compiler's commands: digits-train.npz and digits-test.npz.

Run from the root of the repository:  .venv/bin/python examples/digits/write_data.py FOLDER
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from lwm2m_ml_simulator.inputs.digits import load_digits_split


def main(folder: pathlib.Path) -> None:
    """The training and calibration parts teach; the test part is never taught."""
    split = load_digits_split()
    parts = (split.train, split.calibration)
    images = np.concatenate([part.images for part in parts])
    np.savez(folder / "digits-train.npz", images=images, labels=np.concatenate([part.labels for part in parts]))
    np.savez(folder / "digits-test.npz", images=split.test.images, labels=split.test.labels)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
