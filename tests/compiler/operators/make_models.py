"""Writes the TFLite files of this folder with TensorFlow's converter: `python tests/compiler/operators/make_models.py`.

They are committed, so that tests need no TensorFlow. Weights are random but seeded.
"""

import pathlib
from typing import Any

import numpy
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent / "models"


def _decoder() -> Any:
    """An image made smaller, then larger again."""
    given = tf.keras.Input((8, 8, 2), batch_size=1)
    x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(given)
    x = tf.keras.layers.BatchNormalization()(x)
    x = tf.keras.layers.Activation("hard_swish")(x)
    x = tf.keras.layers.PReLU(shared_axes=[1, 2])(x)
    up = tf.keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")(x)
    other = tf.keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = tf.keras.layers.Concatenate()([up, other])
    x = tf.keras.layers.LeakyReLU(0.2)(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(given, tf.keras.layers.Dense(3, activation="sigmoid")(x))


def _sequence() -> Any:
    """A sequence read by an LSTM and a GRU, then classified: unrolled, as Keras 3 makes operators of them."""
    given = tf.keras.Input((3, 5), batch_size=1)
    x = tf.keras.layers.LSTM(4, return_sequences=True, unroll=True)(given)
    x = tf.keras.layers.GRU(3, unroll=True)(x)
    return tf.keras.Model(given, tf.keras.layers.Dense(3, activation="softmax")(x))


def _convert(model: Any, mode: str) -> bytes:
    shape = model.inputs[0].shape
    generator = numpy.random.default_rng(5)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode == "int8":
        converter.representative_dataset = lambda: (
            [generator.standard_normal(shape).astype(numpy.float32)] for _ in range(20)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in (("decoder", _decoder), ("sequence", _sequence)):
        tf.keras.utils.set_random_seed(7)
        model = make()
        for mode in ("int8", "float32", "float16"):
            (FOLDER / f"{name}_{mode}.tflite").write_bytes(_convert(model, mode))


if __name__ == "__main__":
    main()
