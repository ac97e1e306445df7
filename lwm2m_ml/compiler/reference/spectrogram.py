"""What a spectrogram computes, by numpy's Fourier transform in float64."""

from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.ir.signals import Spectrogram
from lwm2m_ml.compiler.ir.tensor import Array


def spectrogram(kind: Spectrogram, operands: Sequence[Array]) -> Array:
    """Magnitudes, or their sums in mel bands; axis 0 counts samples of the model."""
    signals = operands[0][:, 0].astype(numpy.float64)
    starts = numpy.arange(kind.frames(signals.shape[1])) * kind.frame_step
    places = starts[:, None] + numpy.arange(kind.frame_length)
    magnitudes = numpy.abs(numpy.fft.rfft(signals[:, places] * hann_window(kind.frame_length), kind.fft_length))
    values = magnitudes @ mel_weights(kind) if kind.mel_bands else magnitudes
    return values[:, None].astype(numpy.float32)


def hann_window(length: int) -> Array:
    """The periodic Hann window, as tf.signal.hann_window."""
    window: Array = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(length) / length)
    return window


def mel_weights(kind: Spectrogram) -> Array:
    """The weights (bins, bands) of the triangles."""
    mels, edges = kind.mel_of_bins()[:, None], kind.mel_edges()
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    weights: Array = numpy.maximum(0.0, numpy.minimum(rising, falling))
    weights[0] = 0.0
    return weights
