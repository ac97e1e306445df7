"""Spectrograms on float32: an iterative radix-2 transform in working memory, triangles evaluated as they are needed."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.native.kernel import Kernel, Places
from lwm2m_ml.compiler.backends.native.kernels.floating.mathematics import square_root
from lwm2m_ml.compiler.backends.native.kernels.portable import Portable
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program, fill
from lwm2m_ml.compiler.ir.signals import Spectrogram
from lwm2m_ml.compiler.reference.spectrogram import hann_window

# Real and imaginary parts one after the other. The input is written in bit-reversed order, so that butterflies of
# growing size leave the spectrum in its natural order (Cooley and Tukey).
_TRANSFORM = """
static void @NAME@(float *real, float *imaginary, const float *cosines)
{
  for (int32_t half = 1; half < $LENGTH; half *= 2)
    for (int32_t place = 0; place < half; ++place) {
      int32_t angle = place * ($LENGTH / 2 / half);
      float c = cosines[angle], s = cosines[angle + $LENGTH / 4];
      for (int32_t a = place; a < $LENGTH; a += 2 * half) {
        int32_t b = a + half;
        float x = real[b] * c - imaginary[b] * s, y = real[b] * s + imaginary[b] * c;
        real[b] = real[a] - x, imaginary[b] = imaginary[a] - y;
        real[a] += x, imaginary[a] += y;
      }
    }
}
"""
_FRAMES = """
static void @NAME@(const float *input, float *output, float *real, const float *window, const float *cosines$TABLES)
{
  float *imaginary = real + $LENGTH;
  for (int32_t frame = 0; frame < $FRAMES; ++frame, input += $STEP) {
    for (int32_t i = 0, reversed = 0; i < $LENGTH; ++i) {
      real[reversed] = i < $FRAME ? input[i] * window[i] : 0.0f;
      imaginary[reversed] = 0.0f;
      int32_t bit = $LENGTH / 2;
      for (; reversed & bit; bit /= 2) reversed ^= bit;
      reversed |= bit;
    }
    $TRANSFORM(real, imaginary, cosines);
    for (int32_t i = 0; i < $BINS; ++i) real[i] = $ROOT(real[i] * real[i] + imaginary[i] * imaginary[i]);
    $OUTPUT
  }
}
"""
_PLAIN = "for (int32_t i = 0; i < $BINS; ++i) *output++ = real[i];"
_MEL = """for (int32_t band = 0; band < $BANDS; ++band) {
      float low = edges[band], middle = edges[band + 1], high = edges[band + 2], sum = 0.0f;
      for (int32_t i = 1; i < $BINS; ++i) {
        float mel = mels[i];
        if (mel <= low) continue;
        if (mel >= high) break;
        sum += real[i] * (mel < middle ? (mel - low) / (middle - low) : (high - mel) / (high - middle));
      }
      *output++ = sum;
    }"""
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class FloatSpectrogram(Portable):
    """One frame after the other in working memory for one transform."""

    name: str = "spectrogram, float32"

    def accepts(self, layer: Layer) -> bool:
        """Every spectrogram."""
        return isinstance(layer.kind, Spectrogram)

    def scratch_bytes(self, layer: Layer) -> int:
        """Real and imaginary parts of a transform."""
        kind = layer.kind
        assert isinstance(kind, Spectrogram)  # noqa: S101 - see accepts
        return 2 * kind.fft_length * _FLOAT_BYTES

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """Tables of the window, of three quarters of a cosine, and of the mel scale."""
        kind = layer.kind
        assert isinstance(kind, Spectrogram)  # noqa: S101 - see accepts
        angles = 2 * numpy.pi * numpy.arange(kind.fft_length * 3 // 4) / kind.fft_length
        tables = [hann_window(kind.frame_length), numpy.cos(angles)]
        if kind.mel_bands:
            tables += [kind.mel_of_bins(), kind.mel_edges()]
        text = fill(
            _FRAMES.replace("$OUTPUT", _MEL if kind.mel_bands else _PLAIN),
            TABLES=", const float *mels, const float *edges" if kind.mel_bands else "",
            LENGTH=kind.fft_length,
            FRAMES=layer.result.shape[1],
            STEP=kind.frame_step,
            FRAME=kind.frame_length,
            BINS=kind.bins,
            TRANSFORM=program.function("transform", fill(_TRANSFORM, LENGTH=kind.fft_length)),
            ROOT=square_root(program),
            **({"BANDS": kind.mel_bands} if kind.mel_bands else {}),
        )
        constants = ", ".join(program.constant(table.astype(numpy.float32)) for table in tables)
        scratch = f"(void *){places.scratch}"
        operands = f"(const void *){places.operands[0]}, (void *){places.result}, {scratch}"
        return f"{program.function('spectrogram', text)}({operands}, {constants});"


KERNELS: tuple[Kernel, ...] = (FloatSpectrogram(),)
