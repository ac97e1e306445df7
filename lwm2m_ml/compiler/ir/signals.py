"""Spectrograms: what a model for sound does before its first layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.ir.tensor import Array

# What the operations before the first layer of a model for sound are called.
SIGNAL_NAME = "signal processing"
Shape = tuple[int, ...]
_LARGEST_FFT = 1 << 14


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Magnitudes of the Fourier transforms of overlapping frames of a signal (1, samples), always in float32.

    Each frame is multiplied with a periodic Hann window and filled up with zeros to `fft_length`. Without `mel_bands`
    the result is (1, frames, fft_length / 2 + 1). With them it is (1, frames, mel_bands): sums of the magnitudes in
    triangles on the HTK mel scale between the two limits, the bin of frequency zero left out, as
    tf.signal.linear_to_mel_weight_matrix has them.
    """

    frame_length: int
    frame_step: int
    fft_length: int
    mel_bands: int = 0
    sample_rate: float = 16_000.0
    lowest_hz: float = 20.0
    highest_hz: float = 4_000.0

    @property
    def bins(self) -> int:
        """Frequencies of a transform."""
        return self.fft_length // 2 + 1

    def frames(self, samples: int) -> int:
        """How many whole frames so many samples hold."""
        return 1 + (samples - self.frame_length) // self.frame_step

    def mel_of_bins(self) -> Array:
        """The place of every bin on the mel scale."""
        hertz = numpy.arange(self.bins) * self.sample_rate / self.fft_length
        return 1127.0 * numpy.log1p(hertz / 700.0)

    def mel_edges(self) -> Array:
        """The corners of the triangles: each band rises from its own to the next and falls to the one after."""
        low, high = (1127.0 * math.log1p(hertz / 700.0) for hertz in (self.lowest_hz, self.highest_hz))
        return numpy.linspace(low, high, self.mel_bands + 2)


def spectrogram_shape(kind: Spectrogram, shapes: Sequence[Shape]) -> Shape:
    """The shape of the result; raises WrongShape."""
    (signal,) = shapes
    power_of_two = 2 <= kind.fft_length <= _LARGEST_FFT and kind.fft_length & (kind.fft_length - 1) == 0
    fits = len(signal) == 2 and signal[0] == 1 and 0 < kind.frame_length <= min(kind.fft_length, signal[1])
    if not (fits and power_of_two and kind.frame_step > 0 and 0 <= kind.mel_bands <= kind.bins):
        raise WrongShape(
            f"A spectrogram of {'×'.join(map(str, signal))} in frames of {kind.frame_length}, transforms of "
            f"{kind.fft_length} and {kind.mel_bands} bands is not possible",
            hint=f"Frames fit into transforms, whose length is a power of two up to {_LARGEST_FFT}",
        )
    if kind.mel_bands and not 0 <= kind.lowest_hz < kind.highest_hz <= kind.sample_rate / 2:
        raise WrongShape(f"Mel bands from {kind.lowest_hz} to {kind.highest_hz} Hz do not fit {kind.sample_rate} Hz")
    return (1, kind.frames(signal[1]), kind.mel_bands or kind.bins)
