"""What somebody who makes up connection ids can make the server do."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lwm2m_ml.coap.dtls12 import SUITES, Record, Session, records
from lwm2m_ml.coap.dtls12.session import SessionKeys
from lwm2m_ml.coap.dtls_cid import RestingSession, TakenSession
from lwm2m_ml.coap.dtls_cid.revivals import KEYS_PER_QUERY, KEYS_WAITING, REMEMBERED, Arrived, Revivals
from tests.coap.dtls_cid.test_stored import Counting, until

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import SocketAddress

CID = b"\x00\x07abcdef"
ADDRESS = ("127.0.0.1", 5)
FORGED = 20_000


class Scene:
    """Revivals, what they took, and the peer's side of a session that is stored."""

    def __init__(self) -> None:
        self.states = Counting()
        self.taken: list[TakenSession] = []
        self.heard: list[Record] = []
        self.valid = True
        self.revivals = Revivals(self.states, lambda _: self.valid, self._go_on, self._hear)
        keys = (SessionKeys.of(SUITES[0xC0A8], bytes(range(40)), server=server) for server in (False, True))
        client, server = keys
        self.client = Session(client, b"", CID)
        stored = RestingSession("psk:device", CID.hex(), ADDRESS, Session(server, CID, b"").export())
        self.stored = stored

    def _go_on(self, taken: TakenSession, _session: Session) -> None:
        self.taken.append(taken)

    def _hear(self, record: Record, _address: SocketAddress) -> None:
        self.heard.append(record)

    def genuine(self) -> Arrived:
        (record,) = records(self.client.seal(b"hello"), len(CID))
        return Arrived(record, ADDRESS)

    def forged(self, cid: bytes = CID) -> Arrived:
        return Arrived(self.genuine().record._replace(cid=cid, content=secrets.token_bytes(24)), ADDRESS)

    async def settled(self) -> None:
        await until(lambda: not self.revivals._tasks)


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    await scene.states.keep([(scene.stored, 7)])
    return scene


async def test_a_genuine_record_brings_the_session_back_and_is_heard(scene: Scene) -> None:
    arrived = scene.genuine()
    scene.revivals.ask(CID.hex(), arrived)
    await scene.settled()
    assert [one.session for one in scene.taken] == [scene.stored]
    assert scene.heard == [arrived.record]


async def test_made_up_connection_ids_cost_one_query_at_a_time(scene: Scene) -> None:
    for _ in range(FORGED):
        cid = secrets.token_bytes(8)
        scene.revivals.ask(cid.hex(), scene.forged(cid))
    assert len(scene.revivals._wanted) == KEYS_WAITING
    await scene.settled()
    assert scene.states.asked["keys"] == KEYS_WAITING
    assert scene.states.asked["queries"] <= KEYS_WAITING // KEYS_PER_QUERY
    assert scene.states.largest == KEYS_PER_QUERY
    assert not scene.states.asked["takes"]


async def test_a_made_up_connection_id_is_looked_up_once(scene: Scene) -> None:
    cid = secrets.token_bytes(8)
    for _ in range(5):
        scene.revivals.ask(cid.hex(), scene.forged(cid))
        await scene.settled()
    assert scene.states.asked["keys"] == 1


async def test_forged_records_of_a_session_cost_one_query_and_hide_no_genuine_one(scene: Scene) -> None:
    for _ in range(50):
        scene.revivals.ask(CID.hex(), scene.forged())
        await scene.settled()
    assert (scene.states.asked["queries"], scene.states.asked["takes"]) == (1, 0)
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert len(scene.taken) == 1
    assert scene.states.asked["queries"] == 1


async def test_many_genuine_records_at_once_take_the_session_once(scene: Scene) -> None:
    for _ in range(10):
        scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert scene.states.asked["takes"] == 1
    assert len(scene.heard) == 4, "what is dropped is repeated"


async def test_what_is_remembered_is_bounded(scene: Scene) -> None:
    for number in range(REMEMBERED + 10):
        scene.revivals.give_up(str(number))
    assert len(scene.revivals._known) == REMEMBERED


async def test_lookups_per_second_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.revivals._bucket, "_rate", 3.0)
    monkeypatch.setattr(scene.revivals._bucket, "_tokens", 3.0)
    monkeypatch.setattr(scene.revivals._loop, "time", lambda: scene.revivals._bucket._updated)
    for _ in range(10):
        cid = secrets.token_bytes(8)
        scene.revivals.ask(cid.hex(), scene.forged(cid))
    assert len(scene.revivals._wanted) == 3
    monkeypatch.undo()
    await scene.settled()


async def test_a_store_that_fails_is_said_and_asked_again(scene: Scene) -> None:
    scene.states.fails = True
    with capture_logs() as logs:
        scene.revivals.ask(CID.hex(), scene.genuine())
        await scene.settled()
    assert [log["event"] for log in logs] == ["DTLS sessions are not found"]
    scene.states.fails = False
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert len(scene.taken) == 1


async def test_a_session_that_is_gone_when_it_is_taken_is_none(scene: Scene) -> None:
    scene.revivals.ask(CID.hex(), scene.forged())
    await scene.settled()
    scene.states.rows.clear()
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert scene.taken == []
    await scene.states.keep([(scene.stored, 7)])
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert len(scene.taken) == 1, "what was remembered of it is forgotten"


async def test_an_identity_that_is_no_longer_good_brings_nothing_back(scene: Scene) -> None:
    scene.valid = False
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.settled()
    assert scene.taken == []
    await scene.revivals.wake("psk:device")
    assert scene.taken == []


async def test_closing_waits_for_nothing(scene: Scene) -> None:
    scene.revivals.ask(CID.hex(), scene.genuine())
    await scene.revivals.close()
    await asyncio.sleep(0)
    assert scene.taken == []
