"""The handshakes of a socket, without one."""

import pytest

from lwm2m_ml.coap import CoapSettings, HandshakeFailed
from lwm2m_ml.coap.dtls12 import CID_BYTES, ClientHandshake, ClientPolicy, ServerPolicy, Session, records
from lwm2m_ml.coap.dtls12.connection_ids import ConnectionIds
from lwm2m_ml.coap.dtls_cid.handshakes import Handshakes, Pending
from lwm2m_ml.coap.remote import SocketAddress

KEY = bytes(16)
HERE, THERE, ELSEWHERE = ("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.3", 3)


class Known:
    identity = "device"
    key = KEY


class Place:
    """Handshakes that may be two at a time, what they send, and what they make."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, SocketAddress]] = []
        self.made: list[tuple[Pending, Session]] = []
        policy = ServerPolicy(lambda _: Known(), lambda _: None, lambda _: None, ConnectionIds(7).new)
        settings = CoapSettings(maximum_handshakes=2)
        self.handshakes = Handshakes(settings, policy, self._send, lambda *made: self.made.append(made))

    def _send(self, datagram: bytes, address: SocketAddress) -> None:
        self.sent.append((datagram, address))

    def hear(self, datagram: bytes, address: SocketAddress) -> list[bool]:
        """Whether each record was taken in."""
        taken = [self.handshakes.receive(record, address) for record in records(datagram, CID_BYTES)]
        self.handshakes.advance()
        return taken

    def exchange(self, client: ClientHandshake, address: SocketAddress) -> list[bool]:
        """Everything that a client says, then everything that it is answered."""
        said, client.outgoing = client.outgoing, []
        taken = [one for datagram in said for one in self.hear(datagram, address)]
        answers, self.sent = self.sent, []
        for datagram, to in answers:
            assert to == address
            for record in records(datagram, len(client.own_cid)):
                client.receive(record)
        return taken


def client() -> ClientHandshake:
    return ClientHandshake(ClientPolicy(b"device", KEY))


@pytest.fixture
async def place() -> Place:
    return Place()


def greet(place: Place, address: SocketAddress) -> ClientHandshake:
    """A client whose cookie was good: its handshake is under way."""
    one = client()
    place.exchange(one, address)
    place.exchange(one, address)
    return one


async def test_a_stranger_costs_nothing_until_its_cookie_is_good(place: Place) -> None:
    one = client()
    assert place.exchange(one, HERE) == [True]
    assert place.handshakes.all() == []
    place.exchange(one, HERE)
    assert [pending.address for pending in place.handshakes.all()] == [HERE]


async def test_a_session_is_told_with_whom_it_was_made(place: Place) -> None:
    one = greet(place, HERE)
    place.exchange(one, HERE)
    assert one.complete
    ((pending, session),) = place.made
    assert (pending.address, pending.granted) == (HERE, "device")
    assert session.own_cid[:2] == b"\x00\x07"
    assert place.handshakes.all() == []
    assert not place.handshakes.has_promised(session.own_cid)


async def test_what_goes_on_elsewhere_is_no_part_of_a_handshake(place: Place) -> None:
    one = greet(place, HERE)
    (pending,) = place.handshakes.all()
    assert place.handshakes.has_promised(pending.handshake.own_cid)
    said = b"".join(one.outgoing)
    assert not any(place.hear(said, ELSEWHERE))
    assert place.sent == []
    assert not one.complete


async def test_the_oldest_gives_way_when_there_are_too_many(place: Place) -> None:
    for address in (HERE, THERE, ELSEWHERE):
        greet(place, address)
    assert [pending.address for pending in place.handshakes.all()] == [THERE, ELSEWHERE]


async def test_a_new_greeting_from_an_address_replaces_the_handshake_before_it(place: Place) -> None:
    earlier = greet(place, HERE)
    (pending,) = place.handshakes.all()
    later = greet(place, HERE)
    assert place.handshakes.at(HERE) is not pending
    assert not place.handshakes.has_promised(pending.handshake.own_cid)
    place.exchange(later, HERE)
    assert later.complete
    assert not earlier.complete


async def test_whoever_waits_is_told_when_the_socket_closes(place: Place) -> None:
    waiting = place.handshakes.connect(client(), HERE, "server")
    assert [to for _, to in place.sent] == [HERE]
    place.handshakes.close()
    assert place.handshakes.at(HERE) is None
    with pytest.raises(HandshakeFailed, match="closed"):
        await waiting
