"""The training process: `python -m lwm2m_ml.compiler.shrink.trainer FOLDER`, which holds all that goes in and out."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy
import tensorflow as tf

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.ir import Array, Graph, kinds
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.quantize.post_training import PLAIN, calibrate, quantize
from lwm2m_ml.compiler.shrink.recipe import EXCHANGE, Recipe, read_recipes
from lwm2m_ml.compiler.shrink.tensorflow_graph import Rounding, TrainableGraph

_CALIBRATION_SAMPLES = 256


def main(folder: Path) -> None:
    """Train the student by the first recipe, and what came of that by each of the others."""
    recipes = read_recipes(folder)
    tf.config.experimental.enable_op_determinism()
    student = float_graph(folder / EXCHANGE.student)
    teacher = TrainableGraph(float_graph(folder / EXCHANGE.teacher))
    with numpy.load(folder / EXCHANGE.data, allow_pickle=False) as data:
        samples, labels = data["samples"], data["labels"]
    for number, recipe in enumerate(recipes):
        tf.keras.utils.set_random_seed(recipe.seed)
        trained = _train(student, teacher, (samples, labels), recipe)
        (folder / EXCHANGE.result(number)).write_bytes(write_onnx(trained))
        student = trained if number == 0 else student


def _train(student: Graph, teacher: TrainableGraph, data: tuple[Array, Array], recipe: Recipe) -> Graph:
    if not recipe.epochs:
        return student
    samples, labels = data
    model = TrainableGraph(student)
    rounding = _rounding(student, samples, recipe) if recipe.largest_code else None
    steps = -(-len(samples) // recipe.batch) * recipe.epochs
    schedule = tf.keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=1e-4)

    @tf.function  # type: ignore[untyped-decorator]
    def step(batch: Any, right: Any) -> None:
        target = tf.nn.softmax(teacher.scores(batch) / recipe.temperature)
        with tf.GradientTape() as tape:
            scores = model.scores(batch, rounding)
            loss = _loss(scores, right, target, recipe)
        gradients = tape.gradient(loss, model.variables)
        optimizer.apply_gradients(zip(gradients, model.variables, strict=True))

    for batch, right in _batches(samples, labels, recipe):
        step(tf.constant(batch), tf.constant(right))
    return model.trained()


def _loss(scores: Any, right: Any, target: Any, recipe: Recipe) -> Any:
    """One score means a probability of the second of two classes, and no teacher."""
    if scores.shape[-1] == 1:
        wanted = tf.cast(right, tf.float32)[:, None]
        return tf.reduce_mean(tf.keras.losses.binary_crossentropy(wanted, scores))
    own = tf.nn.sparse_softmax_cross_entropy_with_logits(right, scores)
    taught = tf.nn.softmax_cross_entropy_with_logits(target, scores / recipe.temperature)
    return tf.reduce_mean((1 - recipe.teaching) * own + recipe.teaching * recipe.temperature**2 * taught)


def _rounding(student: Graph, samples: Array, recipe: Recipe) -> Rounding:
    """The codes that quantisation after training would choose now."""
    some = samples[:_CALIBRATION_SAMPLES]
    integer = quantize(student, some)
    observed = calibrate(student, some, PLAIN).graph
    names = [*observed.inputs, *(operation.output for operation in observed.operations)]
    codes = {name: quantization for name in names if (quantization := integer.tensor(name).quantization) is not None}
    layers = (operation.output for operation in student.operations if type(operation.kind) in kinds.OUTPUT_AXIS)
    return Rounding(codes, dict.fromkeys(layers, recipe.largest_code))


def _batches(samples: Array, labels: Array, recipe: Recipe) -> Iterator[tuple[Array, Array]]:
    """Shuffled and varied anew in every epoch; the model's own batch axis, which is one, is taken out."""
    generator = numpy.random.default_rng(recipe.seed)
    spread = float(samples.std()) * recipe.noise
    for _ in range(recipe.epochs):
        order = generator.permutation(len(samples))
        for start in range(0, len(order), recipe.batch):
            chosen = order[start : start + recipe.batch]
            batch = _moved(samples[chosen, 0], recipe.shift, generator)
            batch = batch + generator.normal(0, spread, batch.shape) if spread else batch
            yield batch.astype(numpy.float32), labels[chosen]


def _moved(images: Array, most: int, generator: numpy.random.Generator) -> Array:
    """Images (batch, and two axes of pixels before or after the channels) moved by whole pixels, zeros moving in."""
    if not most or images.ndim != 4:
        return images
    rows = 1 if images.shape[1] > images.shape[3] else 2
    moved = numpy.zeros_like(images)
    for number, image in enumerate(images):
        target, source = moved[number], image
        for axis in (rows - 1, rows):
            by = int(generator.integers(-most, most + 1))
            target = _side(target, axis, by)
            source = _side(source, axis, -by)
        target[...] = source
    return moved


def _side(image: Array, axis: int, by: int) -> Array:
    """The part of an image without its first `by` rows or columns, or without its last -`by`."""
    keep = slice(by, None) if by >= 0 else slice(None, by)
    return image[(slice(None),) * axis + (keep,)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
