"""What a device did from one moment to another: what it inferred, and what went out of its radio."""

from dataclasses import dataclass

import numpy

from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.energy.power import ProcessorPower, RadioPower
from lwm2m_ml_simulator.inference.log import InferenceRecord

COAP_BYTES = 24
"""CoAP header, token, path and Content-Format of one message; 1,024 bytes of it at most are raw data."""
LARGEST_PAYLOAD = 1_024


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes of UDP payload in so many datagrams, out of a device and into it."""

    bytes_out: float = 0
    datagrams_out: float = 0
    bytes_in: float = 0
    datagrams_in: float = 0

    def joules(self, radio: RadioPower) -> float:
        """What sending and receiving takes; listening is left out, for it is the same whatever is sent."""
        out = radio.transmit_seconds(self.bytes_out, self.datagrams_out) * radio.transmit_watts
        return out + radio.receive_seconds(self.bytes_in, self.datagrams_in) * radio.receive_watts


def raw_windows(windows: int, window_bytes: int) -> Sent:
    """What it would take to send windows as they are, each in non-confirmable CoAP messages that nobody answers."""
    messages = windows * -(-window_bytes // LARGEST_PAYLOAD)
    return Sent(windows * window_bytes + messages * COAP_BYTES, messages)


class Measurement:
    """Begins when it is made."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self._inferences = len(device.inferences)
        self._before = self._now()

    @property
    def inferences(self) -> list[InferenceRecord]:
        """What was inferred since."""
        return self._device.inferences[self._inferences :]

    @property
    def sent(self) -> Sent:
        """What went through the radio since."""
        now, before = self._now(), self._before
        return Sent(
            now.bytes_out - before.bytes_out,
            now.datagrams_out - before.datagrams_out,
            now.bytes_in - before.bytes_in,
            now.datagrams_in - before.datagrams_in,
        )

    def joules(self, instructions: float) -> float:
        """What instructions take on this device's processor."""
        profile = self._device.profile
        return instructions * ProcessorPower.of(profile.target, profile.clock_hz).joules_per_cycle

    def _now(self) -> Sent:
        figures = self._device.radio.figures
        return Sent(figures.bytes_out, figures.datagrams_out, figures.bytes_in, figures.datagrams_in)


def decided(record: InferenceRecord) -> int:
    """The class of an inference: where the largest of its scores is."""
    return int(numpy.frombuffer(record.outputs[0], dtype=numpy.int8).argmax())
