"""How a server under load talks with the benchmark: one JSON document per line, orders in, answers out."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Order = Callable[[float], Awaitable[dict[str, Any]]]
"""What the benchmark may ask for, with a number of seconds."""


async def converse(facts: dict[str, Any], orders: dict[str, Order]) -> None:
    """Say that the server is ready, then obey until standard input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps(facts), flush=True)
    while line := await reader.readline():
        name, seconds = json.loads(line)
        print(json.dumps(await orders[name](seconds)), flush=True)


async def ask_for(seconds: float, peers: Sequence[Any], ask: Callable[[Any], Awaitable[object]]) -> dict[str, Any]:
    """Ask every peer, one request after the other to each, and tell how many answers came and what they cost."""
    loop = asyncio.get_running_loop()
    answers = failures = 0
    begun, processor = loop.time(), time.process_time()

    async def keep_asking(peer: Any) -> None:
        nonlocal answers, failures
        while loop.time() - begun < seconds:
            try:
                await ask(peer)
                answers += 1
            except Exception:
                failures += 1

    await asyncio.gather(*(keep_asking(peer) for peer in peers))
    return {
        "per_second": answers / (loop.time() - begun),
        "errors": failures,
        "cpu_us": (time.process_time() - processor) * 1e6 / max(answers, 1),
    }
