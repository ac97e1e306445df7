"""Traces: written as pcap, read back, shown, and sent to a server again."""

import asyncio
from pathlib import Path
from typing import Any

import dpkt
import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.errors import InvalidTrace, SimulatorError
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.sweep.server import SweepServer
from lwm2m_ml_simulator.trace.reader import read_trace
from lwm2m_ml_simulator.trace.recorder import Recorder, file_name, packet
from lwm2m_ml_simulator.trace.replay import describe, replay
from lwm2m_ml_simulator.virtual.clock import EPOCH
from lwm2m_ml_simulator.virtual.run import run_virtually


async def recorded_life(folder: Path, catalogue: Catalogue) -> Path:
    """Ten minutes of one device that is asked something, changes its port, and leaves."""
    recorder, radio = Recorder(folder), Radio(RadioSettings())
    path = recorder.attach("mcu", radio)
    async with (
        SweepServer(catalogue, patience=1.0) as server,
        Lwm2mClient("mcu", server.uri, lifetime=120, catalogue=catalogue, radio=radio) as client,
    ):
        await client.registered.wait()
        await server.value("/3/0/1")
        await asyncio.sleep(300)
        await client.coap.change_port()
        await asyncio.sleep(300)
    recorder.close()
    return path


@pytest.fixture
def trace(tmp_path: Path, catalogue: Catalogue) -> Path:
    return run_virtually(recorded_life(tmp_path, catalogue), seed=2)


def test_a_trace_is_a_pcap_file_of_ip_packets_with_good_checksums(trace: Path) -> None:
    with trace.open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        packets = list(reader)
    assert reader.datalink() == 101
    assert packets[0][0] == EPOCH
    for _, data in packets:
        packet = dpkt.ip.IP(data)
        assert packet.data.ulen == len(packet.data)
        assert packet.sum == dpkt.dpkt.in_cksum(bytes(data[:10]) + b"\0\0" + bytes(data[12:20]))


def test_a_trace_is_read_back_with_directions_although_the_port_changed(trace: Path) -> None:
    recorded = read_trace(trace)
    assert [describe(one.message) for one in recorded[:4] if one.message] == ["POST /rd", "2.01", "GET /3/0/1", "2.05"]
    assert [one.up for one in recorded[:4]] == [True, False, False, True]
    assert recorded[-1].at == pytest.approx(600, abs=1)
    assert sum(one.up for one in recorded) == len(recorded) / 2


async def test_a_replayed_device_registers_again_and_answers_as_it_did(trace: Path, catalogue: Catalogue) -> None:
    async with SweepServer(catalogue, patience=1.0) as server:
        running = asyncio.create_task(replay(read_trace(trace), server.uri, speed=2000.0))
        assert await server.until_registered(0, 5.0)
        assert await server.value("/3/0/1") == "simulated"
        with pytest.raises(SimulatorError, match=r"4\.04"):
            await server.value("/3/0/2")
        replayed = await running
    assert [answer.request for answer in replayed[:2]] == ["POST /rd", "POST /rd/1"]
    assert replayed[-1].request == "DELETE /rd/1"
    assert all(answer.alike for answer in replayed)


async def test_a_replay_tells_which_answers_are_others_now(trace: Path, server: Any) -> None:
    server.knows_nobody = True
    replayed = await replay(read_trace(trace), server.uri, speed=10_000.0)
    assert [answer.alike for answer in replayed].count(False) == 1
    assert (replayed[1].then, replayed[1].now) == ("2.04", "4.04")
    assert server.updates[0] == ()


def test_what_was_said_over_dtls_cannot_be_replayed(tmp_path: Path) -> None:
    with (tmp_path / "x.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=101)
        writer.writepkt(packet(b"\x16\xfe\xfd" + bytes(20), ("127.0.0.1", 1), ("127.0.0.1", 2)), ts=1.0)
    with pytest.raises(InvalidTrace, match="over DTLS"):
        asyncio.run(replay(read_trace(tmp_path / "x.pcap"), "coap://127.0.0.1:1"))


@pytest.mark.parametrize("contents", [b"", b"no pcap at all, but long enough for a header", bytes(24)])
def test_what_is_no_trace_is_refused(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "x.pcap").write_bytes(contents)
    with pytest.raises(InvalidTrace):
        read_trace(tmp_path / "x.pcap")


def test_addresses_of_both_families_become_packets() -> None:
    four = dpkt.ip.IP(packet(b"x", ("::ffff:127.0.0.1", 1), ("127.0.0.2", 2)))
    six = dpkt.ip6.IP6(packet(b"xyz", ("::1", 1), ("::1", 2)))
    assert (four.src, four.data.data) == (bytes([127, 0, 0, 1]), b"x")
    assert (six.data.dport, six.data.data) == (2, b"xyz")


def test_endpoint_names_become_file_names_that_stay_in_the_folder() -> None:
    assert file_name("urn:imei:123") == "urn_imei_123"
    assert file_name("../../etc/passwd") == "_.._etc_passwd"
    assert file_name("..") == "_"
