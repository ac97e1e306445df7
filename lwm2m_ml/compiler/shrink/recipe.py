"""How a pruned model is trained again: facts that both sides of the training process share."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recipe:
    """`largest_code` is that of the weights when training feels integers, 0 for training in float.

    The loss is the cross entropy of the labels and, with weight `teaching`, that of the teacher's answers
    (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015). `shift` moves images by so many pixels
    at random, `noise` adds so much of their spread.
    """

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 2e-3
    teaching: float = 0.7
    temperature: float = 2.0
    shift: int = 0
    noise: float = 0.0
    largest_code: int = 0
    seed: int = 8


@dataclass(frozen=True, slots=True)
class Exchange:
    """Names of the files through which the two processes speak."""

    student: str = "student.onnx"
    teacher: str = "teacher.onnx"
    data: str = "data.npz"
    recipes: str = "recipes.json"

    def result(self, number: int) -> str:
        """What came of one recipe."""
        return f"trained-{number}.onnx"


EXCHANGE = Exchange()


def write_recipes(recipes: Sequence[Recipe], folder: Path) -> None:
    """Into the folder of an exchange."""
    (folder / EXCHANGE.recipes).write_text(json.dumps([asdict(recipe) for recipe in recipes]), encoding="utf-8")


def read_recipes(folder: Path) -> tuple[Recipe, ...]:
    """From the folder of an exchange."""
    return tuple(Recipe(**fields) for fields in json.loads((folder / EXCHANGE.recipes).read_text(encoding="utf-8")))
