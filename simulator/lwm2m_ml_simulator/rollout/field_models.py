"""The model of the fleet's demonstration, in two versions: one that is wrong in the field, and the one that is right.

Both are made of the shipped digit classifiers. In the first version the last layer's rows are one place further than
the labels say: whoever trained it sorted the classes in another order than whoever wrote the labels. It computes
exactly what it should, passes every known-answer test and fails no inference; only people who see the digits notice.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy
import onnx
from onnx import numpy_helper

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas import Model
from lwm2m_ml.client.schemas.zoo import CalibrationToAdd, ModelToAdd, VariantToAdd

NAME = "meter"
WRONG, RIGHT = "1.0.0", "1.0.1"
VARIANTS = ("digits-small", "digits-medium")
CLASSES = 10


@dataclass(frozen=True, slots=True)
class Ingredients:
    """The shipped classifiers: what their card says, and the files that it names, by name."""

    card: dict[str, Any]
    files: dict[str, bytes]


def ingredients() -> Ingredients:
    """Read them from the installed package."""
    folder = resources.files("lwm2m_ml") / "service" / "zoo" / "shipped" / "digits"
    card = tomllib.loads((folder / "card.toml").read_text("utf-8"))
    names = [f"{name}.onnx" for name in VARIANTS] + [card["calibration"]["file"]]
    return Ingredients(card, {name: (folder / name).read_bytes() for name in names})


def with_classes_in_another_order(model: bytes) -> bytes:
    """Return a model whose answers are one class too high, the highest one the lowest."""
    graph = onnx.load_from_string(model)
    last = [node for node in graph.graph.node if node.op_type == "Gemm"][-1]
    for constant in graph.graph.initializer:
        if constant.name in last.input[1:] and constant.dims[0] == CLASSES:
            moved = numpy.roll(numpy_helper.to_array(constant), 1, axis=0)
            constant.CopyFrom(numpy_helper.from_array(numpy.ascontiguousarray(moved), constant.name))
    return bytes(graph.SerializeToString(deterministic=True))


async def add_version(client: AsyncClient, version: str) -> Model:
    """Add one version to the zoo, with the accuracy that the bench measured: it used the same order of classes."""
    found = ingredients()
    calibration = found.files[found.card["calibration"]["file"]]
    variants = []
    for one in found.card["variants"]:
        if one["name"] not in VARIANTS:
            continue
        content = found.files[one["file"]]
        content = with_classes_in_another_order(content) if version == WRONG else content
        await client.store_file(content)
        name, digest = one["name"].replace("digits", NAME), hashlib.sha256(content).hexdigest()
        variants.append(VariantToAdd(name=name, digest=digest, macs=one["macs"], accuracy=one["test_accuracy_percent"]))
    await client.store_file(calibration)
    model = ModelToAdd(
        name=NAME,
        version=version,
        variants=variants,
        description="Reads the digits of a meter",
        licence=found.card["licence"],
        labels=found.card["labels"],
        preprocessing=found.card["input"]["preprocessing"],
        data=found.card["data"]["name"],
        calibration=CalibrationToAdd(
            digest=hashlib.sha256(calibration).hexdigest(), array=found.card["calibration"]["array"]
        ),
    )
    return await client.add_model(model)
