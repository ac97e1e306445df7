"""The log of CoAP messages, with peers that say what the test wants."""

from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_ml.coap.codec import RawMessage, encode
from lwm2m_ml.coap.numbers import ACK, CON, CONTENT_FORMAT, OBSERVE, URI_PATH, URI_QUERY
from lwm2m_ml.server import message_log
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.message_log import MessageLog

REQUEST = encode(
    RawMessage(CON, 1, 77, b"\x01\x02", [(OBSERVE, b""), (URI_PATH, b"3"), (URI_PATH, b"0"), (URI_QUERY, b"b=U")])
)
RESPONSE = encode(RawMessage(ACK, 0x45, 77, b"\x01\x02", [(CONTENT_FORMAT, b"\x70")], b"payload"))


class Peer:
    def __init__(self) -> None:
        self.listener: Any = None

    @property
    def wire(self) -> "Peer":
        return self

    def says(self, message: bytes) -> None:
        if self.listener is not None:
            self.listener(True, message)

    def hears(self, message: bytes) -> None:
        if self.listener is not None:
            self.listener(False, message)


class Peers:
    def __init__(self) -> None:
        self.peers: dict[str, Peer] = {}

    def get(self, endpoint: str) -> Any:
        if endpoint not in self.peers:
            raise UnknownDevice(endpoint)
        return SimpleNamespace(remote=self.peers[endpoint])

    def log(self) -> MessageLog:
        registry: Any = self
        return MessageLog(registry)


@pytest.fixture
def peers() -> Peers:
    return Peers()


def test_messages_are_kept_from_the_first_look_on(peers: Peers) -> None:
    peer = peers.peers["one"] = Peer()
    log = peers.log()
    peer.says(REQUEST)
    assert log.of("one") == ()
    peer.says(REQUEST)
    peer.hears(RESPONSE)
    asked, answered = log.of("one")
    assert (asked.inbound, asked.type, asked.code, asked.message_id, asked.token) == (True, "CON", "GET", 77, "0102")
    assert (asked.path, asked.observe, asked.payload_bytes) == ("/3/0?b=U", 0, 0)
    assert (answered.inbound, answered.type, answered.code, answered.content_format) == (False, "ACK", "2.05", 112)
    assert (answered.payload, answered.payload_bytes, answered.size) == (b"payload", 7, len(RESPONSE))
    assert log.of("one", asked.number) == (answered,)


def test_only_the_newest_messages_are_kept(peers: Peers) -> None:
    peer = peers.peers["one"] = Peer()
    log = peers.log()
    log.of("one")
    for _ in range(message_log.MESSAGES_KEPT + 5):
        peer.says(REQUEST)
    found = log.of("one")
    assert len(found) == message_log.MESSAGES_KEPT
    assert found[-1].number == message_log.MESSAGES_KEPT + 5


def test_a_long_message_is_cut_off_and_its_size_told(peers: Peers) -> None:
    peer = peers.peers["one"] = Peer()
    log = peers.log()
    log.of("one")
    peer.says(encode(RawMessage(CON, 2, 1, payload=bytes(5_000))))
    (found,) = log.of("one")
    assert found.payload_bytes == 5_000
    assert len(found.payload) == message_log.SHOWN_PAYLOAD


def test_what_is_no_coap_is_shown_as_such(peers: Peers) -> None:
    peer = peers.peers["one"] = Peer()
    log = peers.log()
    log.of("one")
    peer.says(b"\x4f\x01\x00\x00")
    assert log.of("one")[0].type == "?"


def test_nobody_is_listened_to_for_long_without_a_look(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_log, "SECONDS_WITHOUT_A_LOOK", -1.0)
    peer = peers.peers["one"] = Peer()
    log = peers.log()
    log.of("one")
    peer.says(REQUEST)
    assert peer.listener is None


def test_a_device_is_followed_to_its_new_address(peers: Peers) -> None:
    before = peers.peers["one"] = Peer()
    log = peers.log()
    log.of("one")
    after = peers.peers["one"] = Peer()
    log.of("one")
    assert before.listener is None
    after.says(REQUEST)
    assert len(log.of("one")) == 1


def test_the_device_looked_at_longest_ago_makes_room(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_log, "DEVICES_AT_ONCE", 2)
    for name in ("a", "b", "c"):
        peers.peers[name] = Peer()
    log = peers.log()
    for name in ("a", "b", "a", "c"):
        log.of(name)
    assert [name for name, peer in peers.peers.items() if peer.listener is not None] == ["a", "c"]
    log.stop()
    assert not any(peer.listener for peer in peers.peers.values())


def test_a_device_that_is_not_registered_is_unknown(peers: Peers) -> None:
    with pytest.raises(UnknownDevice):
        peers.log().of("nobody")
