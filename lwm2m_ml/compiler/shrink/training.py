"""Training in a process of its own, so that TensorFlow never comes into the command's."""

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.errors import TrainingFailed
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.shrink.recipe import EXCHANGE, Recipe, write_recipes
from lwm2m_ml.errors import MissingExtraError

_WORKER = "lwm2m_ml.compiler.shrink.trainer"
_LAST_WORDS = 2000


def can_train() -> bool:
    """Whether TensorFlow is installed; it is not imported."""
    return importlib.util.find_spec("tensorflow") is not None


def train(student: Graph, teacher: Graph, data: Dataset, recipes: Sequence[Recipe]) -> tuple[Graph, ...]:
    """What comes of each recipe: the first trains the student, the others each train what came of the first.

    Raises TrainingFailed, and MissingExtraError without TensorFlow.
    """
    if not can_train():
        raise MissingExtraError("TensorFlow, which trains pruned models,", "tensorflow")
    if data.labels is None:
        raise TrainingFailed("Samples without labels teach nothing", hint="Name an array or a column 'labels'")
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as name:
        folder = Path(name)
        (folder / EXCHANGE.student).write_bytes(write_onnx(student))
        (folder / EXCHANGE.teacher).write_bytes(write_onnx(teacher))
        numpy.savez(folder / EXCHANGE.data, samples=data.samples, labels=data.labels)
        write_recipes(recipes, folder)
        done = subprocess.run(
            [sys.executable, "-m", _WORKER, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr[-_LAST_WORDS:].strip().splitlines()
            raise TrainingFailed(f"Training ended with: {lines[-1] if lines else f'exit code {done.returncode}'}")
        return tuple(float_graph(folder / EXCHANGE.result(number)) for number in range(len(recipes)))
