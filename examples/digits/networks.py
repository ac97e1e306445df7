"""The three networks as data: one table of layers from which both the Keras model and the ONNX file are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

INPUT_SHAPE = (1, 8, 8)
CLASS_COUNT = 10


@dataclass(frozen=True, slots=True)
class Convolution:
    """3x3 convolution with zero padding, no bias of its own, then batch normalisation and ReLU."""

    filters: int


@dataclass(frozen=True, slots=True)
class Pooling:
    """2x2 maximum pooling with stride 2."""


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected layer with bias and ReLU. The last layer, of ten classes and softmax, is not in the table."""

    units: int


Layer = Convolution | Pooling | Dense

NETWORKS: dict[str, tuple[Layer, ...]] = {
    "digits-small": (Convolution(8), Pooling(), Convolution(24), Pooling()),
    "digits-medium": (Convolution(16), Pooling(), Convolution(32), Convolution(20), Pooling()),
    "digits-large": (
        Convolution(16),
        Convolution(32),
        Pooling(),
        Convolution(64),
        Pooling(),
        Dense(64),
    ),
}


@dataclass(frozen=True, slots=True)
class Size:
    """What a network costs once batch normalisation is folded: values to store and multiplications per image."""

    weights: int
    macs: int


def size_of(layers: tuple[Layer, ...]) -> Size:
    """Count kernel values plus one bias per output channel, and multiply-accumulates for one image."""
    channels, height, width = INPUT_SHAPE
    weights = macs = 0
    features: int | None = None
    for layer in (*layers, Dense(CLASS_COUNT)):
        if isinstance(layer, Convolution):
            kernel = 9 * channels * layer.filters
            weights += kernel + layer.filters
            macs += kernel * height * width
            channels = layer.filters
        elif isinstance(layer, Pooling):
            height, width = height // 2, width // 2
        else:
            incoming = math.prod((channels, height, width)) if features is None else features
            weights += incoming * layer.units + layer.units
            macs += incoming * layer.units
            features = layer.units
    return Size(weights, macs)
