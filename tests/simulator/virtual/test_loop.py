import asyncio
import datetime
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiosqlite
import pytest

from lwm2m_ml_simulator.virtual.clock import EPOCH
from lwm2m_ml_simulator.virtual.run import run_virtually

REAL_TIME = time.perf_counter


def test_a_day_passes_at_once_and_every_clock_tells_it() -> None:
    async def sleep() -> tuple[float, float, float, datetime.datetime]:
        await asyncio.sleep(86_400)
        loop = asyncio.get_running_loop()
        return loop.time(), time.monotonic(), time.time(), datetime.datetime.now(datetime.UTC)

    began = REAL_TIME()
    elapsed, monotonic, stamp, date = run_virtually(sleep())
    assert REAL_TIME() - began < 10
    assert (elapsed, monotonic, stamp) == (86_400, 86_400, EPOCH + 86_400)
    assert date == datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def test_the_real_clocks_are_back_afterwards() -> None:
    before = time.monotonic()
    run_virtually(asyncio.sleep(1e6))
    assert before <= time.monotonic() < before + 60
    assert abs(datetime.datetime.now().timestamp() - time.time()) < 1


def test_timers_run_in_order_at_their_moments() -> None:
    async def run() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []

        def see(name: str) -> None:
            seen.append((name, loop.time()))

        for name, delay in (("c", 30.0), ("a", 0.5), ("b", 2.25)):
            loop.call_later(delay, see, name)
        await asyncio.sleep(60)
        return seen

    assert run_virtually(run()) == [("a", 0.5), ("b", 2.25), ("c", 30.0)]


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.create_task(asyncio.sleep(1000))
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, threaded_work)
        now = loop.time()
        sleeper.cancel()
        return now

    assert run_virtually(run()) == 0.0


def threaded_work() -> None:
    end = REAL_TIME() + 0.05
    while REAL_TIME() < end:
        pass


def test_the_clock_stands_still_while_a_database_works(tmp_path: Path) -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.create_task(asyncio.sleep(1000))
        async with aiosqlite.connect(tmp_path / "x.db") as database:
            await database.execute("create table t (x)")
            for number in range(20):
                await database.execute("insert into t values (?)", (number,))
                await database.commit()
            async with database.execute("select count(*) from t") as cursor:
                assert await cursor.fetchone() == (20,)
        now = loop.time()
        sleeper.cancel()
        return now

    assert run_virtually(run()) == 0.0


class Collector(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, tuple[str, int]]] = []
        self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append((data, addr))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


def test_datagrams_stay_in_the_process_in_order_and_end_with_the_socket() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        (left, a), (right, b) = [await loop.create_datagram_endpoint(Collector, sock=bound()) for _ in range(2)]
        target, source = right.get_extra_info("sockname"), left.get_extra_info("sockname")
        for number in range(3):
            left.sendto(bytes([number]), target)
        await asyncio.sleep(0.1)
        assert b.heard == [(bytes([number]), source) for number in range(3)]
        right.close()
        left.sendto(b"late", target)
        await asyncio.sleep(0.1)
        assert (len(b.heard), b.lost, a.heard) == (3, 1, [])
        left.close()

    run_virtually(run())


def test_streams_work_too() -> None:
    async def run() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            writer.write(await reader.readexactly(2) + b"!")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hi")
        answer = await reader.read()
        writer.close()
        server.close()
        return answer

    assert run_virtually(run()) == b"hi!"


def test_an_error_comes_out() -> None:
    async def fail() -> None:
        await asyncio.sleep(3)
        raise LookupError("as told")

    with pytest.raises(LookupError, match="as told"):
        run_virtually(fail())
