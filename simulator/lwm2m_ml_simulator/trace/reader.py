"""Reads a device's trace back: datagrams with their direction, and the CoAP messages in them."""

from dataclasses import dataclass
from pathlib import Path

import dpkt
from aiocoap import Message
from aiocoap.error import UnparsableMessage

from lwm2m_ml_simulator.errors import InvalidTrace

MAXIMUM_BYTES = 1 << 30
_DTLS_RECORDS = range(20, 26)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One datagram; `at` in seconds since the first one. `message` is None for what is no CoAP, `raw` has it all."""

    at: float
    up: bool
    raw: bytes
    message: Message | None

    @property
    def encrypted(self) -> bool:
        """Whether it looks like a record of DTLS."""
        return bool(self.raw) and self.raw[0] in _DTLS_RECORDS


def read_trace(path: Path) -> list[Recorded]:
    """Read a trace; raises InvalidTrace.

    A device speaks first, so who sent the first datagram is the device and who got it the server, even if the device's
    address changes later.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise InvalidTrace(f"{path} is larger than a trace may be ({MAXIMUM_BYTES >> 20} MiB)")
        with path.open("rb") as file:
            packets = [(moment, _datagram(data)) for moment, data in dpkt.pcap.Reader(file)]
    except (OSError, ValueError, dpkt.UnpackError) as error:
        raise InvalidTrace(f"The trace {path} cannot be read", hint=str(error)) from error
    datagrams = [(moment, found) for moment, found in packets if found is not None]
    if not datagrams:
        raise InvalidTrace(f"{path} holds no UDP datagrams")
    began, (_, server, _) = datagrams[0]
    return [Recorded(moment - began, target == server, data, _message(data)) for moment, (_, target, data) in datagrams]


Address = tuple[bytes, int]


def _datagram(data: bytes) -> tuple[Address, Address, bytes] | None:
    """Return source, target and contents of a UDP datagram in an IP packet."""
    packet = dpkt.ip6.IP6(data) if data and data[0] >> 4 == 6 else dpkt.ip.IP(data)
    inner = packet.data
    if not isinstance(inner, dpkt.udp.UDP):
        return None
    return (packet.src, inner.sport), (packet.dst, inner.dport), bytes(inner.data)


def _message(data: bytes) -> Message | None:
    try:
        return Message.decode(data)
    except (UnparsableMessage, ValueError, IndexError):
        return None
