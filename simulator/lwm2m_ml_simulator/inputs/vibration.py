"""Synthetic vibration of a rotating machine: healthy, or with one of three well-known faults.

One input is 128 samples of one axis of an accelerometer at 1 kHz, in g. A healthy machine turns at about 25 Hz and
shows the first three harmonics of that. Faults: unbalance (a larger first harmonic), a damaged bearing (impulses at 5.2
times the rotation that ring at 300 Hz) and looseness (half-order vibration, cut off). Drift is wear: everything grows
stronger and the machine turns more slowly, although nothing is broken.
"""

from collections.abc import Callable

import numpy

from lwm2m_ml_simulator.inputs.stream import FloatArray, Sample

SAMPLE_RATE_HZ = 1000.0
WINDOW = 128
ROTATION_HZ = 25.0
NORMAL, ANOMALY = 0, 1
_HARMONICS = (0.5, 0.2, 0.1)
_NOISE = 0.05
_BEARING_ORDER, _RINGING_HZ, _RINGING_SECONDS = 5.2, 300.0, 0.006
_TIME = numpy.arange(WINDOW) / SAMPLE_RATE_HZ

Signal = numpy.typing.NDArray[numpy.float64]
Random = numpy.random.Generator


class Vibration:
    """Windows of vibration, of which a share of `anomalies` shows a fault."""

    labels = ("normal", "anomaly")
    shape = (1, 1, WINDOW)

    def __init__(self, anomalies: float = 0.05) -> None:
        self.anomalies = anomalies

    def sample(self, generator: Random, drift: float) -> Sample:
        """Draw one window."""
        rotation = ROTATION_HZ * generator.normal(1.0, 0.02) * (1.0 - 0.1 * drift)
        signal = _healthy(generator, rotation)
        label = NORMAL
        if generator.random() < self.anomalies:
            label = ANOMALY
            fault = _FAULTS[int(generator.integers(len(_FAULTS)))]
            signal = fault(generator, rotation, signal)
        signal = signal * (1.0 + 0.5 * drift) + generator.normal(0.0, _NOISE * (1.0 + drift), WINDOW)
        return Sample(_shaped(signal), label)


def _healthy(generator: Random, rotation: float) -> Signal:
    amplitudes = numpy.asarray(_HARMONICS) * generator.normal(1.0, 0.1, len(_HARMONICS))
    harmonics = [_sine(generator, order * rotation, strength) for order, strength in enumerate(amplitudes, start=1)]
    total: Signal = numpy.stack(harmonics).sum(axis=0)
    return total


def _unbalance(generator: Random, rotation: float, signal: Signal) -> Signal:
    return signal + _sine(generator, rotation, generator.uniform(0.7, 1.2))


def _bearing(generator: Random, rotation: float, signal: Signal) -> Signal:
    pause = 1.0 / (_BEARING_ORDER * rotation)
    struck = signal.copy()
    moment = generator.uniform(0.0, pause)
    while moment < WINDOW / SAMPLE_RATE_HZ:
        since = numpy.maximum(_TIME - moment, 0.0)
        ringing = numpy.sin(2 * numpy.pi * _RINGING_HZ * since) * numpy.exp(-since / _RINGING_SECONDS)
        struck += generator.uniform(0.8, 1.4) * ringing
        moment += pause
    return struck


def _looseness(generator: Random, rotation: float, signal: Signal) -> Signal:
    loose = signal + sum(_sine(generator, order * rotation, 0.4) for order in (0.5, 1.5, 2.5))
    return numpy.clip(loose, -0.7, numpy.inf)


_FAULTS: tuple[Callable[[Random, float, Signal], Signal], ...] = (_unbalance, _bearing, _looseness)


def _sine(generator: Random, hertz: float, amplitude: float) -> Signal:
    return amplitude * numpy.sin(2 * numpy.pi * hertz * _TIME + generator.uniform(0.0, 2 * numpy.pi))


def _shaped(signal: Signal) -> FloatArray:
    return signal.astype(numpy.float32).reshape(Vibration.shape)
