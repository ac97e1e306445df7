"""Writes what passes through each device's radio into a pcap file of its own (link type RAW: IP packets)."""

import ipaddress
import re
import time
from io import BytesIO
from pathlib import Path

import dpkt

from lwm2m_ml_simulator.network.radio import UP, Radio

LINK_TYPE_RAW = 101
_FLUSHED_AT = 64 * 1024
_UDP = 17


class Recorder:
    """The traces of a fleet in one folder. `close` writes what is still in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._traces: list[_Trace] = []

    def attach(self, endpoint: str, radio: Radio) -> Path:
        """Record a radio from now on; returns the file."""
        trace = _Trace(self._folder / f"{file_name(endpoint)}.pcap")
        self._traces.append(trace)
        radio.on_message = trace.note
        return trace.path

    def close(self) -> None:
        """Write everything."""
        for trace in self._traces:
            trace.flush()


class _Trace:
    """One file; no handle stays open, a fleet has more devices than a process has files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._buffer = BytesIO()
        self._writer = dpkt.pcap.Writer(self._buffer, linktype=LINK_TYPE_RAW)
        path.write_bytes(b"")

    def note(self, direction: str, data: bytes, here: tuple[str, int], there: tuple[str, int]) -> None:
        """Keep one datagram."""
        source, target = (here, there) if direction == UP else (there, here)
        self._writer.writepkt(packet(data, source, target), ts=time.time())
        if self._buffer.tell() >= _FLUSHED_AT:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        with self.path.open("ab") as file:
            file.write(self._buffer.getvalue())
        self._buffer.seek(0)
        self._buffer.truncate()


def packet(data: bytes, source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """Return an IP packet with a UDP datagram in it."""
    datagram = dpkt.udp.UDP(sport=source[1], dport=target[1], ulen=8 + len(data), data=data)
    addresses = [_address(host) for host, _ in (source, target)]
    if any(address.version == 6 for address in addresses):
        here, there = (_as_v6(address) for address in addresses)
        return bytes(dpkt.ip6.IP6(src=here, dst=there, nxt=_UDP, hlim=64, plen=8 + len(data), data=datagram))
    here, there = (address.packed for address in addresses)
    return bytes(dpkt.ip.IP(src=here, dst=there, p=_UDP, len=28 + len(data), data=datagram))


def file_name(endpoint: str) -> str:
    """Return an endpoint name as a file may be called."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", endpoint).lstrip(".") or "_"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _as_v6(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
