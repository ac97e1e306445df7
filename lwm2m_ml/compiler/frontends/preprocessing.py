"""What a model declares to be done before its first layer, and the operations that it becomes.

An ONNX file declares it in its metadata, under the key `lwm2m-ml.preprocessing`, as JSON:

    {"range": [0, 255], "scale": 0.00392156862745098, "mean": [0.5], "deviation": [0.25]}
    {"spectrogram": {"samples": 16000, "frame_length": 640, "frame_step": 320, "fft_length": 1024, "mel_bands": 40},
     "log_floor": 1e-6, "coefficients": 10}

The module then takes what the sensor gives: (x · scale - mean) / deviation, or a signal, comes of it on the device.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy

from lwm2m_ml.compiler.errors import UnreadableModel
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Quantization, kinds
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import BinaryFunction, UnaryFunction
from lwm2m_ml.compiler.ir.signals import SIGNAL_NAME, Spectrogram

METADATA_KEY = "lwm2m-ml.preprocessing"
SIGNAL_PREFIX = "signal/"
_IMAGE_KEYS = {"range", "scale", "mean", "deviation"}
_SIGNAL_KEYS = {"spectrogram", "log_floor", "coefficients", "scale", "mean", "deviation"}
_COLOUR_RANK = 4


def with_preprocessing(graph: Graph, declaration: str) -> Graph:
    """The graph that begins with what the declaration says; raises UnreadableModel for one that cannot be meant."""
    try:
        wanted = json.loads(declaration)
        known = _SIGNAL_KEYS if "spectrogram" in wanted else _IMAGE_KEYS
        if not isinstance(wanted, dict) or not set(wanted) <= known or len(graph.inputs) != 1:
            raise ValueError(f"the keys {', '.join(sorted(_IMAGE_KEYS | _SIGNAL_KEYS))} work, for a model of one input")
        return _Prelude(graph, wanted).built()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise UnreadableModel(f"The preprocessing that the model declares cannot be read: {error}") from error


class _Prelude:
    """Builds the operations before the model's input, then the model's own behind them."""

    def __init__(self, graph: Graph, wanted: dict[str, Any]) -> None:
        self._graph, self._wanted = graph, wanted
        self._builder = GraphBuilder()
        self._input = graph.tensor(graph.inputs[0])

    def built(self) -> Graph:
        """The whole graph; the new input has the old one's name."""
        signal = "spectrogram" in self._wanted
        name = self._signal() if signal else self._image()
        name = self._normalised(name, signal=signal)
        prelude = self._builder.finish([], [])
        given, renamed = self._graph.inputs[0], f"{self._graph.inputs[0]}/prepared"
        first = prelude.operations[-1] if prelude.operations else None
        if first is None:
            return self._graph
        tensors = {**self._graph.tensors, **prelude.tensors}
        tensors[renamed] = replace(self._input, name=renamed)
        if tensors[name].shape != self._input.shape:
            raise ValueError(f"it gives {tensors[name].shape}, the model takes {self._input.shape}")
        operations = [*prelude.operations[:-1], replace(first, output=renamed)]
        del tensors[name]
        behind = self._graph.renamed({given: renamed})
        return Graph(tensors, (*operations, *behind.operations), (given,), behind.outputs)

    def _image(self) -> str:
        low, high = (float(value) for value in self._wanted.get("range", (0, 255)))
        if not low < high:
            raise ValueError("the range is empty")
        scale = (high - low) / 255
        codes = Quantization.per_tensor(float(numpy.float32(scale)), round(-128 - low / scale))
        return self._builder.variable(self._input.name, self._input.shape, DataType.FLOAT32, codes)

    def _signal(self) -> str:
        wanted = dict(self._wanted["spectrogram"])
        samples = int(wanted.pop("samples"))
        known = {field.name: field.type for field in fields(Spectrogram)}
        kind = Spectrogram(**{name: value for name, value in wanted.items() if name in known or _unknown(name)})
        name = self._builder.variable(self._input.name, (1, samples), DataType.FLOAT32)
        name = self._add(kind, [name], "spectrogram")
        frames, bands = self._builder.tensors[name].shape[1:]
        if "log_floor" in self._wanted:
            name = self._add(kinds.Unary(UnaryFunction.LOG, float(self._wanted["log_floor"])), [name], "log")
        if "coefficients" in self._wanted:
            count = int(self._wanted["coefficients"])
            if not 0 < count <= bands:
                raise ValueError(f"{count} coefficients of {bands} bands")
            rows = self._add(kinds.Reshape((frames, bands)), [name], "rows")
            weights = self._builder.constant(f"{SIGNAL_PREFIX}cosines", _cosines(bands, count))
            bias = self._builder.constant(f"{SIGNAL_PREFIX}zeros", numpy.zeros(count, numpy.float32))
            name = self._add(kinds.FullyConnected(), [rows, weights, bias], "coefficients")
        return self._add(kinds.Reshape(self._input.shape), [name], "features")

    def _normalised(self, name: str, *, signal: bool) -> str:
        """One multiplication and one addition for scale, mean and deviation."""
        prefix, label = (SIGNAL_PREFIX, SIGNAL_NAME) if signal else ("prepared/", "preprocessing")
        deviation = self._per_channel("deviation", 1.0)
        if not (deviation > 0).all():
            raise ValueError("a deviation is not positive")
        factor = float(self._wanted.get("scale", 1.0)) / deviation
        offset = -self._per_channel("mean", 0.0) / deviation
        if not (numpy.isfinite(factor).all() and numpy.isfinite(offset).all()):
            raise ValueError("a number is infinite or undefined")
        for function, values in ((BinaryFunction.MULTIPLY, factor), (BinaryFunction.ADD, offset)):
            neutral = 1.0 if function is BinaryFunction.MULTIPLY else 0.0
            if (values != neutral).any():
                constant = self._builder.constant(f"{prefix}{function.value}", values.astype(numpy.float32))
                name = self._builder.add(
                    kinds.Binary(function), [name, constant], f"{prefix}{function.value}", name=label
                )
        return name

    def _per_channel(self, key: str, default: float) -> Array:
        """One value, or one for each channel, which is the first axis after the batch or the last."""
        values = numpy.array(self._wanted.get(key, default), numpy.float64).reshape(-1)
        shape = self._input.shape
        if len(values) == 1:
            return values.reshape((1,) * len(shape))
        last = len(values) == shape[-1] and not (len(shape) == _COLOUR_RANK and shape[1] == len(values))
        if not last and (len(shape) < 2 or shape[1] != len(values)):
            raise ValueError(f"{len(values)} values of {key} for an input of {shape}")
        aligned = [1] * len(shape)
        aligned[-1 if last else 1] = -1
        return values.reshape(aligned)

    def _add(self, kind: kinds.Kind, inputs: Sequence[str], wish: str) -> str:
        return self._builder.add(kind, inputs, f"{SIGNAL_PREFIX}{wish}", name=SIGNAL_NAME)


def _unknown(name: str) -> bool:
    raise ValueError(f"a spectrogram has no {name!r}")


def _cosines(bands: int, count: int) -> Array:
    """The discrete cosine transform of type 2 scaled as tf.signal.mfccs_from_log_mel_spectrograms: (count, bands)."""
    rows, columns = numpy.arange(count)[:, None], numpy.arange(bands)
    matrix = numpy.cos(math.pi * rows * (2 * columns + 1) / (2 * bands)) * math.sqrt(2 / bands)
    return matrix.astype(numpy.float32)
