"""Deadlines: kept, renewed, forgotten."""

import asyncio

from lwm2m_ml.server.lifetimes import Lifetimes


class Expired:
    def __init__(self) -> None:
        self.endpoints: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, endpoint: str) -> None:
        self.endpoints.append(endpoint)
        self._news.set()

    async def wait(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.endpoints) < count:
                self._news.clear()
                await self._news.wait()
        return self.endpoints


async def test_endpoints_expire_in_the_order_of_their_deadlines() -> None:
    expired = Expired()
    lifetimes = Lifetimes(expired)
    for endpoint, seconds in (("c", 0.06), ("a", 0.02), ("b", 0.04)):
        lifetimes.watch(endpoint, seconds)
    assert await expired.wait(3) == ["a", "b", "c"]


async def test_a_renewed_deadline_counts() -> None:
    expired = Expired()
    lifetimes = Lifetimes(expired)
    lifetimes.watch("renewed", 0.02)
    lifetimes.watch("other", 0.05)
    lifetimes.watch("renewed", 0.1)
    assert await expired.wait(2) == ["other", "renewed"]


async def test_a_shortened_deadline_counts_and_expires_once() -> None:
    expired = Expired()
    lifetimes = Lifetimes(expired)
    lifetimes.watch("short", 0.1)
    lifetimes.watch("short", 0.01)
    lifetimes.watch("last", 0.12)
    assert await expired.wait(2) == ["short", "last"]


async def test_a_forgotten_endpoint_never_expires_nor_does_any_after_close() -> None:
    expired = Expired()
    lifetimes = Lifetimes(expired)
    lifetimes.watch("forgotten", 0.01)
    lifetimes.forget("forgotten")
    lifetimes.watch("other", 0.02)
    assert await expired.wait(1) == ["other"]
    lifetimes.watch("late", 0.01)
    lifetimes.close()
    await asyncio.sleep(0.03)
    assert expired.endpoints == ["other"]
