"""What a DTLS session costs: `python benchmarks/server/dtls_sessions.py [--engine openssl] [--sessions 20000]`.

Handshakes and requests go through the transport in this process, without a network: what is measured is the server's
side alone, in processor time. Memory is what the process grows by, per session that is idle after one request.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lwm2m_ml.coap.datagrams import DatagramTransport
from lwm2m_ml.coap.dtls import Granted, NoCredentials
from lwm2m_ml.coap.dtls.transport import DtlsTransport
from lwm2m_ml.coap.dtls12 import SUITES, ClientHandshake, ClientPolicy, Session, records
from lwm2m_ml.coap.dtls_cid import MemorySessions
from lwm2m_ml.coap.dtls_cid.resting import key_of
from lwm2m_ml.coap.dtls_cid.transport import CidTransport
from lwm2m_ml.coap.fast import FastHandlers, FastResponse
from lwm2m_ml.coap.numbers import CONTENT, GET
from lwm2m_ml.coap.requester import Requester
from lwm2m_ml.coap.responder import Responder
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.coap.tuning import prepare_for_load
from lwm2m_ml.logs import configure_logging

KEY = bytes(range(16))
SUITE_NAMES = {
    "cid": ("PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256", "ECDHE-PSK-AES128-CCM8-SHA256"),
    "openssl": ("PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256"),
}
REQUEST = b"\x42\x01%b\x01\x02\xb5hello"
REQUESTS = 20_000
TOGETHER = 100
"""Handshakes under way at a time."""


class Keys(NoCredentials):
    """Knows every device by one key."""

    def pre_shared_key(self, identity: str) -> Granted | None:
        return Granted(f"psk:{identity}", KEY)

    def is_valid(self, identity: str) -> bool:
        return True


class Sink:
    """Takes what the server sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []

    def is_closing(self) -> bool:
        return False

    def sendto(self, datagram: bytes, address: Any) -> None:
        self.sent.append((datagram, address))


def made(engine: type[DatagramTransport], **more: Any) -> Any:
    settings = CoapSettings(handshakes_per_second=1e9, maximum_sessions=10**9)
    handlers = FastHandlers()
    handlers.add(GET, "hello", lambda _request: FastResponse(CONTENT, b"hello"))
    responder = Responder(settings, handlers, lambda _request, _incoming: None)
    transport = engine(settings, Requester(settings), responder, Keys(), **more)
    transport._transport = Sink()
    return transport


def address_of(number: int) -> tuple[str, int]:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40_000


def shake(transport: DatagramTransport, suite: int, numbers: range) -> tuple[list[ClientHandshake], float]:
    """Handshakes in step, and one request each; returns the clients and the server's processor time per handshake."""
    addresses = [address_of(number) for number in numbers]
    clients = [ClientHandshake(ClientPolicy(f"device-{number}".encode(), KEY, suites=(suite,))) for number in numbers]
    by_address = dict(zip(addresses, clients, strict=True))
    spent = 0.0
    while not all(client.complete for client in clients):
        arriving = [(datagram, address) for address, client in by_address.items() for datagram in client.outgoing]
        for client in clients:
            client.outgoing = []
        transport._transport.sent.clear()
        begun = time.process_time()
        for datagram, address in arriving:
            transport.datagram_received(datagram, address)
        spent += time.process_time() - begun
        for datagram, address in transport._transport.sent:
            for record in records(datagram, 0):
                by_address[address].receive(record)
    for address, client in by_address.items():
        transport.datagram_received(client.session.seal(REQUEST % b"\x00\x01"), address)
    return clients, spent / len(clients)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(transport: DatagramTransport, suite: int) -> float:
    """Processor time of one request, in microseconds."""
    number = 1 << 23
    (client,), _ = shake(transport, suite, range(number, number + 1))
    asked = [client.session.seal(REQUEST % (number & 0xFFFF).to_bytes(2, "big")) for number in range(2, REQUESTS)]
    begun = time.process_time()
    for datagram in asked:
        transport.datagram_received(datagram, address_of(number))
    return (time.process_time() - begun) * 1e6 / len(asked)


def measure_sessions(transport: DatagramTransport, suite: int, sessions: int) -> dict[str, float]:
    shake(transport, suite, range(500))
    before = resident()
    begins = range(1_000, 1_000 + sessions, TOGETHER)
    spent = [shake(transport, suite, range(begin, begin + TOGETHER))[1] for begin in begins]
    return {
        "bytes_per_idle_session": (resident() - before) / sessions,
        "handshake_us": sorted(spent)[len(spent) // 2] * 1e6,
        "request_us": ask(transport, suite),
    }


async def measure_openssl(suite: int, sessions: int) -> dict[str, float]:
    return measure_sessions(made(DtlsTransport), suite, sessions)


async def measure_cid(suite: int, sessions: int) -> dict[str, float]:
    states = MemorySessions()
    transport = made(CidTransport, states=states)
    figures = measure_sessions(transport, suite, sessions)
    known = len(transport._peers)
    resting = [(peer.identity, key_of(peer.session.own_cid, peer.socket_address)) for peer in transport._peers.all()]
    begun = time.process_time()
    await transport.stored.close()
    saved = time.process_time()
    again = made(CidTransport, states=states)
    for identity, key in resting:
        taken = await states.take(identity, key, 1)
        again.stored._go_on(taken, Session.resume(taken.session.exported, taken.numbers))
    assert len(again._peers) == known
    figures["export_us"] = (saved - begun) * 1e6 / known
    figures["restore_us"] = (time.process_time() - saved) * 1e6 / known
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--engine", choices=SUITE_NAMES, default="cid", help="as the setting `dtls_engine` has it")
    parser.add_argument("--suite", help="only this one; by default each in a process of its own")
    arguments = parser.parse_args()
    if arguments.suite is None:
        for name in SUITE_NAMES[arguments.engine]:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--suite", name], check=True)
        return
    configure_logging()
    prepare_for_load()
    number = next(suite.number for suite in SUITES.values() if suite.name == arguments.suite)
    measure = measure_openssl if arguments.engine == "openssl" else measure_cid
    got = asyncio.run(measure(number, arguments.sessions))
    figures = ", ".join(f"{figure.replace('_', ' ')} {value:,.1f}" for figure, value in got.items())
    print(f"{arguments.suite}: {figures}", flush=True)


if __name__ == "__main__":
    main()
