"""A model of a download over TCP to a small device, round by round (RFC 5681, RFC 6298, RFC 6928).

The device offers a window of four segments, as small stacks do, and acknowledges every second segment. Each round the
sender sends what congestion window and offered window allow. A lost segment is sent again after one more round trip
when enough others arrived to tell (three duplicate acknowledgements), else after the retransmission time-out, which
doubles while losses go on. Header bytes are TCP's own; those of IP belong to the radio's `datagram_overhead`.
"""

import random
from dataclasses import dataclass

from lwm2m_ml_simulator.network.conditions import Conditions

SEGMENT_BYTES = 1024
HEADER_BYTES = 20
DEVICE_WINDOW = 4
INITIAL_WINDOW = 10
_DUPLICATES = 3
_MINIMUM_TIMEOUT = 1.0
_REQUEST_BYTES = 40
_COAP_BYTES = 12


@dataclass(slots=True)
class Download:
    """What a download took, TCP headers included."""

    seconds: float = 0.0
    segments_up: int = 0
    bytes_up: int = 0
    segments_down: int = 0
    bytes_down: int = 0

    def up(self, payload: int = 0) -> None:
        """Count a segment from the device."""
        self.segments_up += 1
        self.bytes_up += HEADER_BYTES + payload

    def down(self, payload: int = 0) -> None:
        """Count a segment to the device."""
        self.segments_down += 1
        self.bytes_down += HEADER_BYTES + payload


def download(package_bytes: int, conditions: Conditions, seed: int) -> Download:
    """Model connection, request, transfer and end."""
    source = random.Random(f"tcp {seed}")
    result = Download()
    left = -(-(package_bytes + _COAP_BYTES) // SEGMENT_BYTES)
    _open(result, conditions, source)
    window, timeout = float(INITIAL_WINDOW), _timeout(conditions)
    while left:
        burst = min(left, DEVICE_WINDOW, max(1, int(window)))
        lost = sum(source.random() < conditions.loss for _ in range(burst))
        for _ in range(burst):
            result.down(SEGMENT_BYTES)
        for _ in range(-(-(burst - lost) // 2)):
            result.up()
        result.seconds += _round_trip(burst, conditions)
        left -= burst - lost
        if not lost:
            window, timeout = min(window + burst, 2.0 * INITIAL_WINDOW), _timeout(conditions)
        elif burst - lost >= _DUPLICATES:
            window = max(2.0, window / 2)
        else:
            result.seconds += timeout
            window, timeout = 1.0, min(2 * timeout, 60.0)
    result.up()
    result.down()
    return result


def _open(result: Download, conditions: Conditions, source: random.Random) -> None:
    """Three segments and the request; a lost one costs a time-out."""
    for payload in (0, _REQUEST_BYTES):
        timeout = _MINIMUM_TIMEOUT
        while source.random() < conditions.loss:
            result.up(payload)
            result.seconds += timeout
            timeout *= 2
        result.up(payload)
        result.down()
        result.seconds += _round_trip(0, conditions)


def _round_trip(segments: int, conditions: Conditions) -> float:
    seconds = 2 * conditions.latency
    if conditions.bandwidth is not None:
        seconds += segments * (SEGMENT_BYTES + HEADER_BYTES) * 8 / conditions.bandwidth
    return seconds


def _timeout(conditions: Conditions) -> float:
    return max(_MINIMUM_TIMEOUT, 2 * _round_trip(1, conditions))
