"""When lines are written, and that none is lost."""

import asyncio
import io
import threading

import structlog

from lwm2m_ml.logs import configure_logging
from lwm2m_ml.logs.writer import MOST_LINES


class Counting(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


async def test_lines_of_a_turn_of_the_event_loop_are_written_together_and_in_order() -> None:
    out = Counting()
    configure_logging(stream=out)
    for number in range(10):
        structlog.get_logger().info(f"line {number}")
    assert out.getvalue() == ""
    await asyncio.sleep(0)
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == list("0123456789")
    assert out.writes == 1


async def test_a_warning_waits_for_nobody_and_stays_behind_what_came_before() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    structlog.get_logger().info("first")
    structlog.get_logger().warning("second")
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["first", "second"]


async def test_no_more_than_a_few_lines_wait_for_a_busy_event_loop() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    for _ in range(MOST_LINES + 1):
        structlog.get_logger().info("line")
    assert len(out.getvalue().splitlines()) == MOST_LINES


def test_what_an_event_loop_left_behind_is_written_before_the_next_line() -> None:
    out = io.StringIO()
    configure_logging(stream=out)
    loop = asyncio.new_event_loop()

    async def log_and_stop() -> None:
        structlog.get_logger().info("first")
        loop.stop()

    task = loop.create_task(log_and_stop())
    loop.run_forever()
    assert task.done()
    loop.close()
    structlog.get_logger().info("second")
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["first", "second"]


def test_lines_of_several_threads_are_neither_lost_nor_doubled() -> None:
    out = io.StringIO()
    configure_logging(stream=out)

    async def log_some() -> None:
        for number in range(500):
            structlog.get_logger().info("line")
            if number % 50 == 0:
                await asyncio.sleep(0)

    threads = [threading.Thread(target=asyncio.run, args=(log_some(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    structlog.get_logger().warning("end")
    assert len(out.getvalue().splitlines()) == 2001
