import asyncio
import contextlib
from collections.abc import Sequence

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.inference.outbox import Outbox


def message(number: int) -> list[Record]:
    return [Record(ObjectPath(42771, 0, 5), number)]


async def run_until(outbox: Outbox, finished: asyncio.Event) -> None:
    task = asyncio.create_task(outbox.run())
    async with asyncio.timeout(5):
        await finished.wait()
    await asyncio.sleep(0)  # The last success is noted after `send` returned.
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_results_arrive_in_order_and_once_though_sending_fails_in_between() -> None:
    arrived: list[object] = []
    finished = asyncio.Event()
    attempts = 0

    async def send(records: Sequence[Record]) -> bool:
        nonlocal attempts
        attempts += 1
        if attempts % 3 == 0:
            return False
        arrived.append(records[0].value)
        if len(arrived) == 10:
            finished.set()
        return True

    outbox = Outbox(send, pause=0)
    for number in range(10):
        outbox.put(message(number))
    await run_until(outbox, finished)
    assert arrived == list(range(10))
    assert len(outbox) == 0


async def test_a_full_outbox_drops_the_oldest_and_counts_it() -> None:
    arrived: list[object] = []
    finished = asyncio.Event()

    async def send(records: Sequence[Record]) -> bool:
        arrived.append(records[0].value)
        if len(arrived) == 3:
            finished.set()
        return True

    outbox = Outbox(send, capacity=3)
    for number in range(5):
        outbox.put(message(number))
    await run_until(outbox, finished)
    assert (arrived, outbox.dropped) == ([2, 3, 4], 2)
