"""No sequence number is used twice, whatever is killed, lost, late or taken over, and whoever goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import SUITES, Session, Stored, UnusableSession
from lwm2m_ml.coap.dtls12.session import SessionKeys
from lwm2m_ml.coap.dtls_cid import Holders, MemorySessions, RestingSession, TakenSession, keeping, revivals
from lwm2m_ml.coap.dtls_cid.keeping import SessionKeeper
from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
from lwm2m_ml.coap.dtls_cid.revivals import Revivals

CID = b"\x00\x07abcdef"
KEY = CID.hex()
ADDRESS = ("127.0.0.1", 5)
IDENTITY = "psk:device"
FEW = 6
"""Numbers reserved at once here, so that they run out all the time."""
NODES = 2
DONE, LOST, LATE = "done", "lost", "late"
"""What becomes of a write: done and told, lost with the connection, or done later by whoever had it by then."""


class Unreliable(MemorySessions):
    """Does what the script says with each write; what is late is done when `land` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = DONE
        self.under_way: list[Callable[[], Awaitable[Any]]] = []

    async def _write(self, write: Callable[[], Awaitable[Any]]) -> Any:
        if self.fate == DONE:
            return await write()
        if self.fate == LATE:
            self.under_way.append(write)
        raise OSError("nobody knows what became of it")

    async def land(self) -> None:
        if self.under_way:
            await self.under_way.pop(0)()

    async def keep(self, sessions: Sequence[tuple[RestingSession, int]], *, complete: bool = False) -> Holders:
        holders: Holders = await self._write(lambda: super(Unreliable, self).keep(sessions, complete=complete))
        return holders

    async def take(self, identity: str, key: str, count: int) -> TakenSession | None:
        taken: TakenSession | None = await self._write(lambda: super(Unreliable, self).take(identity, key, count))
        return taken

    async def hold(self, sessions: Sequence[RestingSession]) -> Holders:
        holders: Holders = await self._write(lambda: super(Unreliable, self).hold(sessions))
        return holders

    async def reserve(self, identity: str, key: str, count: int) -> range | None:
        numbers: range | None = await self._write(lambda: super(Unreliable, self).reserve(identity, key, count))
        return numbers

    async def rest(self, sessions: Sequence[tuple[RestingSession, int]]) -> None:
        await self._write(lambda: super(Unreliable, self).rest(sessions))

    async def remove(self, identity: str, key: str | None = None) -> None:
        await self._write(lambda: super(Unreliable, self).remove(identity, key))


class Node:
    """A process that may have the session, and may be killed."""

    def __init__(self, states: Unreliable) -> None:
        self.states = states
        self.start()

    def start(self) -> None:
        self.peer = SessionRemote(
            None, ADDRESS, scheme="coaps", answers=None, block_size_exponent=6, maximum_body=0, identity=IDENTITY
        )
        self.keeper = SessionKeeper(self.states, self._forget)
        self.revivals = Revivals(self.states, lambda _: True, self._go_on, lambda _record, _address: None)

    def _forget(self, peer: SessionRemote) -> None:
        peer.session = None

    def _go_on(self, taken: TakenSession, session: Session) -> None:
        session.stored = Stored.BORROWED
        self.peer.session = session

    def seal(self) -> list[bytes]:
        """The numbers of as many records as can be sealed now, in a moment; half of what is reserved is enough."""
        numbers: list[bytes] = []
        while self.peer.session is not None and len(numbers) <= FEW // 2:
            try:
                numbers.append(self.peer.session.seal(b"x")[3:11])
            except UnusableSession:
                break
        return numbers

    async def settle(self) -> None:
        """Let everything happen that was begun."""
        if self.keeper._timer is not None:
            self.keeper._timer.cancel()
            self.keeper._start()
        while self.keeper._storing is not None or self.keeper._tasks:  # noqa: ASYNC110 - turns are what it waits for
            await asyncio.sleep(0)
        if self.keeper._timer is not None:
            self.keeper._timer.cancel()
            self.keeper._timer = None

    async def keep(self) -> None:
        self.keeper.keep(self.peer)
        await self.settle()

    async def revive(self) -> None:
        if self.peer.session is None:
            await self.revivals.wake(IDENTITY)

    async def end(self) -> None:
        self.keeper.ended(self.peer)
        self._forget(self.peer)
        await self.settle()

    async def rest(self) -> None:
        await self.keeper.close(lambda: [self.peer])
        self.start()


STEPS = st.tuples(
    st.sampled_from(
        ["seal", "seal", "seal", "seal", "keep", "keep", "revive", "revive", "land", "kill", "rest", "end"]
    ),
    st.integers(0, NODES - 1),
    st.sampled_from([DONE, DONE, DONE, LATE, LOST]),
)


async def play(steps: list[tuple[str, int, str]]) -> list[tuple[int, bytes]]:
    """The numbers of everything that was sealed with the keys of one session, and by which node."""
    states, used = Unreliable(), list[tuple[int, bytes]]()
    nodes = [Node(states) for _ in range(NODES)]
    keys = SessionKeys.of(SUITES[0xC0A8], bytes(range(40)), server=True)
    nodes[0].peer.session = Session(keys, CID, b"")
    for step, which, fate in steps:
        states.fate, node = fate, nodes[which]
        if step == "seal":
            used.extend((which, number) for number in node.seal())
            await node.settle()
        elif step == "kill":
            node.start()
        elif step == "land":
            await states.land()
        else:
            await {"keep": node.keep, "revive": node.revive, "end": node.end, "rest": node.rest}[step]()
    return used


def script(text: str) -> list[tuple[str, int, str]]:
    """Steps in words: what, at which node, and what becomes of it, if it is not done."""
    steps = [[*step.split(), DONE][:3] for step in text.split(", ")]
    return [(what, int(which), fate) for what, which, fate in steps]


STORED_LATE = script("keep 0 late, land 0, revive 1, seal 1, seal 0, keep 0, seal 0, seal 0")
HELD_BY_NOBODY = script("keep 0, revive 1, seal 1, end 0, keep 1, seal 1, seal 1, revive 0, seal 0")


@example(STORED_LATE)
@example(HELD_BY_NOBODY)
@given(st.lists(STEPS, min_size=20, max_size=50))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_number_is_used_twice(steps: list[tuple[str, int, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "NUMBERS", FEW)
        patch.setattr(revivals, "NUMBERS", FEW)
        used = asyncio.run(play(steps))
    assert len(used) == len({number for _, number in used})


async def test_the_game_does_what_it_says() -> None:
    """The sessions are really kept, revived, rested and used by turns; else the property would hold for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "NUMBERS", FEW)
        patch.setattr(revivals, "NUMBERS", FEW)
        game = "seal 0, keep 0, seal 0, revive 1, seal 1, keep 1, seal 1, seal 1, kill 0, revive 0, seal 0, rest 1"
        used = await play(script(f"{game}, revive 1, seal 1"))
    assert len(used) == len({number for _, number in used})
    assert [which for which, _ in groupby(used, key=itemgetter(0))] == [0, 1, 0, 1]
    assert len([one for one in used if one[0] == 1]) > FEW, "it was given more numbers than the first"
