"""Synthetic words: gliding tones that stand for speech. Nobody spoke them.

One input is 0.256 s at 4 kHz, 1,024 samples between -1 and 1. A word is two syllables, each a tone that glides from one
pitch to another, with its octave; speakers differ in pitch, tempo and loudness, and there is always noise. A wake word
is followed by a command in the next window; what is heard besides is noise, and now and then a word nobody waits for.
"""

from typing import Final

import numpy

from lwm2m_ml_simulator.inputs.stream import Sample

SAMPLE_RATE_HZ: Final = 4_000.0
WINDOW: Final = 1_024
LABELS = ("noise", "other", "wake", "on", "off", "up", "down")
NOISE, OTHER, WAKE, FIRST_COMMAND = range(4)
COMMANDS = LABELS[FIRST_COMMAND:]
SYLLABLES = {
    WAKE: ((400.0, 800.0), (800.0, 400.0)),
    3: ((500.0, 500.0), (1_000.0, 1_000.0)),
    4: ((1_000.0, 1_000.0), (500.0, 500.0)),
    5: ((500.0, 700.0), (700.0, 1_200.0)),
    6: ((1_200.0, 700.0), (700.0, 500.0)),
}
"""Pitch in hertz at the beginning and at the end of each syllable."""

Signal = numpy.typing.NDArray[numpy.float64]
Random = numpy.random.Generator


class Keywords:
    """Windows of one microphone, one after the other. `wakes` of them hold the wake word, `others` other words."""

    labels = LABELS
    shape = (1, 1, WINDOW)

    def __init__(self, wakes: float = 0.05, others: float = 0.05) -> None:
        self._wakes = wakes
        self._others = others
        self._woken = False

    def sample(self, generator: Random, drift: float) -> Sample:
        """Draw the next window; drift is louder noise."""
        label = self._next(generator)
        noise = generator.normal(0.0, 0.02 * (1.0 + 4.0 * drift), WINDOW)
        return Sample((word(label, generator) + noise).astype(numpy.float32)[numpy.newaxis, numpy.newaxis], label)

    def _next(self, generator: Random) -> int:
        if self._woken:
            self._woken = False
            return int(generator.integers(FIRST_COMMAND, len(LABELS)))
        chance = generator.random()
        self._woken = chance < self._wakes
        if self._woken:
            return WAKE
        return OTHER if chance < self._wakes + self._others else NOISE


def word(label: int, generator: Random) -> Signal:
    """Draw a word by its label; another one has syllables of its own."""
    sound = numpy.zeros(WINDOW)
    if label == NOISE:
        return sound
    syllables = SYLLABLES.get(label) or [(low, high) for low, high in generator.uniform(250.0, 350.0, (2, 2))]
    voice, loudness = generator.uniform(0.93, 1.07), generator.uniform(0.25, 0.8)
    start = int(generator.integers(0, 80))
    for begin, finish in syllables:
        length = int(generator.integers(380, 460))
        end = min(WINDOW, start + length)
        pitch = voice * numpy.linspace(begin, finish, length)[: end - start]
        phase = 2 * numpy.pi * numpy.cumsum(pitch) / SAMPLE_RATE_HZ + generator.uniform(0, 2 * numpy.pi)
        rise_and_fall = numpy.sin(numpy.pi * numpy.arange(end - start) / length)
        sound[start:end] += rise_and_fall * (0.7 * numpy.sin(phase) + 0.3 * numpy.sin(2 * phase))
        start = end
    return loudness * sound
