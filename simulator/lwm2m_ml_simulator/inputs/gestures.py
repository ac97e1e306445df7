"""Synthetic motion gestures, as an accelerometer on the wrist would see them.

One input is 64 samples of three axes at 50 Hz, in g, with gravity. The classes: idle; wave (left and right); circle (in
the plane of the hand); shake (fast, up and down); tap (two short knocks). People differ in speed, strength and how they
wear the device; drift turns the device on the wrist by up to 90 degrees, which no gesture of the training had.
"""

from collections.abc import Callable

import numpy

from lwm2m_ml_simulator.inputs.stream import Sample

SAMPLE_RATE_HZ = 50.0
WINDOW = 64
AXES = 3
_NOISE = 0.04
_TILT = 0.15
_TURN = numpy.pi / 2
_TIME = numpy.arange(WINDOW) / SAMPLE_RATE_HZ

Signal = numpy.typing.NDArray[numpy.float64]
Random = numpy.random.Generator


class Gestures:
    """Windows of motion; every class is as frequent as any other."""

    labels = ("idle", "wave", "circle", "shake", "tap")
    shape = (1, AXES, WINDOW)

    def sample(self, generator: Random, drift: float) -> Sample:
        """Draw one window."""
        label = int(generator.integers(len(_MOTIONS)))
        motion = _MOTIONS[label](generator)
        motion[2] += 1.0  # gravity
        turned = _worn(generator, drift) @ motion
        turned += generator.normal(0.0, _NOISE, turned.shape)
        return Sample(turned.astype(numpy.float32)[numpy.newaxis], label)


def _idle(generator: Random) -> Signal:
    return generator.normal(0.0, 0.01, (AXES, WINDOW))


def _wave(generator: Random) -> Signal:
    swing = _swing(generator, generator.uniform(1.5, 2.5), generator.uniform(0.6, 1.2))
    return numpy.stack([swing, 0.2 * swing, numpy.zeros(WINDOW)])


def _circle(generator: Random) -> Signal:
    hertz, strength = generator.uniform(1.0, 2.0), generator.uniform(0.5, 1.0)
    direction = generator.choice((-1.0, 1.0))
    angle = 2 * numpy.pi * hertz * _TIME + generator.uniform(0.0, 2 * numpy.pi)
    return strength * numpy.stack([numpy.cos(angle), direction * numpy.sin(angle), numpy.zeros(WINDOW)])


def _shake(generator: Random) -> Signal:
    swing = _swing(generator, generator.uniform(4.5, 7.0), generator.uniform(1.0, 2.0))
    return numpy.stack([0.1 * swing, 0.1 * swing, swing])


def _tap(generator: Random) -> Signal:
    first = generator.uniform(0.1, 0.6)
    knocks = sum(_knock(generator, moment) for moment in (first, first + generator.uniform(0.2, 0.4)))
    return numpy.stack([0.2 * knocks, numpy.zeros(WINDOW), knocks])


_MOTIONS: tuple[Callable[[Random], Signal], ...] = (_idle, _wave, _circle, _shake, _tap)


def _swing(generator: Random, hertz: float, strength: float) -> Signal:
    return strength * numpy.sin(2 * numpy.pi * hertz * _TIME + generator.uniform(0.0, 2 * numpy.pi))


def _knock(generator: Random, moment: float) -> Signal:
    since = _TIME - moment
    return generator.uniform(1.5, 2.5) * numpy.exp(-((since / 0.025) ** 2))


def _worn(generator: Random, drift: float) -> Signal:
    """How the device sits on the wrist: turned a little about each axis, and by the drift about that of the arm."""
    about_x, about_y, about_z = generator.normal(0.0, _TILT, AXES)
    return _turn(0, about_x + drift * _TURN) @ _turn(1, about_y) @ _turn(2, about_z)


def _turn(axis: int, angle: float) -> Signal:
    turn = numpy.eye(AXES)
    first, second = (other for other in range(AXES) if other != axis)
    turn[first, first] = turn[second, second] = numpy.cos(angle)
    turn[first, second], turn[second, first] = -numpy.sin(angle), numpy.sin(angle)
    return turn
