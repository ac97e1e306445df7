"""Whole handshakes, on good and bad paths."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import SUITES, Alert, CertificateType, HandshakeError, KeyExchange, Signer, client, records
from lwm2m_ml.coap.dtls12.client import ClientHandshake, ClientPolicy
from lwm2m_ml.coap.dtls12.flights import FIRST_TIMEOUT, LARGEST_DATAGRAM, LONGEST_TIMEOUT, MOST_ANSWERS
from lwm2m_ml.coap.dtls12.numbers import APPLICATION_DATA

if TYPE_CHECKING:
    from tests.coap.dtls12.conftest import Link, Sides

PSK_CCM_8, ECDSA_CCM_8, ECDHE_PSK_GCM = 0xC0A8, 0xC0AE, 0xD001
ONE_OF_EACH = [PSK_CCM_8, ECDHE_PSK_GCM, ECDSA_CCM_8]


def exchange(link: Link) -> None:
    """Both sides can talk."""
    assert link.client.session is not None
    assert link.server is not None
    assert link.server.session is not None
    for sender, receiver in ((link.client.session, link.server.session), (link.server.session, link.client.session)):
        (record,) = records(sender.seal(b"content"), len(sender.peer_cid))
        assert receiver.open(record) == (APPLICATION_DATA, b"content", True)


@pytest.mark.parametrize("suite", sorted(SUITES), ids=lambda number: SUITES[number].name)
def test_every_suite_makes_a_session(sides: Sides, suite: int) -> None:
    link = sides.link(sides.client(suite)).run()
    exchange(link)
    assert link.repetitions == 0
    assert link.client.extended_master_secret
    assert link.server is not None
    assert link.server.grant is not None
    has_key = SUITES[suite].key_exchange.has_shared_key
    assert link.server.grant.identity == ("psk:device" if has_key else "RAW_PUBLIC_KEY")


def test_a_handshake_takes_three_round_trips_with_the_cookie(done: Link) -> None:
    assert [sender for sender, _ in done.seen] == ["client", "server", "client", "server", "client", "server"]


def test_connection_ids_are_ours_to_the_client_and_none_to_us(done: Link) -> None:
    assert done.server is not None
    assert len(done.server.own_cid) == 8
    assert done.client.peer_cid == done.server.own_cid
    assert done.client.own_cid == done.server.peer_cid == b""


def test_a_client_may_have_a_connection_id_too(sides: Sides) -> None:
    link = sides.link(ClientPolicy(b"device", bytes(range(16)), own_cid=b"mine")).run()
    exchange(link)
    assert link.client.own_cid == b"mine"


def test_a_client_that_does_not_ask_for_a_connection_id_gets_none(sides: Sides) -> None:
    link = sides.link(ClientPolicy(b"device", bytes(range(16)), own_cid=None)).run()
    exchange(link)
    assert link.client.peer_cid == b""


def test_a_server_without_connection_ids_is_content(sides: Sides) -> None:
    sides.cids = None
    link = sides.link(sides.client(PSK_CCM_8)).run()
    exchange(link)
    assert link.client.peer_cid == b""


# Dialects of clients


class Plain(ClientHandshake):
    """A client that says nothing about extended master secrets (RFC 7627) and renegotiation (RFC 5746)."""

    def _extensions(self) -> dict[int, bytes]:
        return {}

    def _say_hello(self) -> None:
        self._hello = replace(self._hello, suites=(PSK_CCM_8,))
        super()._say_hello()


@pytest.mark.skipif(not client.__file__.endswith(".py"), reason="nothing interpreted inherits from a compiled class")
def test_a_client_without_extensions_is_served(sides: Sides, link: Link) -> None:
    link.client = Plain(sides.client(PSK_CCM_8))
    exchange(link.run())
    assert not link.client.extended_master_secret
    assert link.client.peer_cid == b""


@pytest.mark.parametrize("version", [b"\xfe\xff", b"\xfe\x00", b"\xfe\xfd"])
def test_hellos_come_in_records_of_odd_versions(sides: Sides, version: bytes) -> None:
    def dress(who: str, number: int, datagram: bytes) -> list[bytes]:
        return [datagram[:1] + version + datagram[3:] if (who, number) in {("client", 0), ("client", 1)} else datagram]

    exchange(sides.link(sides.client(PSK_CCM_8), dress).run())


# Bad paths


@pytest.mark.parametrize("suite", ONE_OF_EACH)
@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("lost", range(4))
def test_any_datagram_may_be_lost(sides: Sides, suite: int, sender: str, lost: int) -> None:
    def lose(who: str, number: int, datagram: bytes) -> list[bytes]:
        return [] if (who, number) == (sender, lost) else [datagram]

    exchange(sides.link(sides.client(suite), lose).run())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), suite=st.sampled_from(ONE_OF_EACH))
def test_loss_and_doubling_delay_a_handshake_and_no_more(sides: Sides, seed: int, suite: int) -> None:
    chance = random.Random(seed)

    def disturb(_who: str, _number: int, datagram: bytes) -> list[bytes]:
        fate = chance.random()
        return [] if fate < 0.3 else [datagram, datagram] if fate < 0.5 else [datagram]

    exchange(sides.link(sides.client(suite), disturb).run())


def test_a_flight_that_is_repeated_too_often_is_answered_no_more(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8))
    server = link.greet()
    answers = 0
    hello = link.seen[2][1]
    for _ in range(3 * MOST_ANSWERS):
        server.outgoing = []
        link.to_server(hello)
        answers += bool(server.outgoing)
    assert answers == MOST_ANSWERS


def test_timeouts_double_up_to_a_minute(link: Link) -> None:
    waits = []
    for _ in range(9):
        waits.append(link.client.timeout)
        link.client.repeat()
    assert waits[:4] == [FIRST_TIMEOUT, 2, 4, 8]
    assert waits[-1] == LONGEST_TIMEOUT


def test_no_timer_runs_when_the_handshake_is_done(done: Link) -> None:
    assert done.server is not None
    assert done.client.timeout is None
    assert done.server.timeout is None


def test_records_of_a_repeated_flight_have_new_numbers(link: Link) -> None:
    first = link.client.outgoing
    link.client.outgoing = []
    link.client.repeat()
    numbers = [next(records(datagram, 8)).sequence_number for datagram in (*first, *link.client.outgoing)]
    assert numbers == [0, 1]


def test_large_messages_go_in_datagrams_that_every_path_carries(sides: Sides) -> None:
    chain = tuple(b"\x30\x82" + bytes(1500) for _ in range(3))
    sides.server_key = Signer(ec.generate_private_key(ec.SECP256R1()), chain)
    link = sides.link(sides.client(ECDSA_CCM_8, CertificateType.X509))
    server = link.greet()
    assert len(server.outgoing) > 4
    assert max(map(len, server.outgoing)) <= LARGEST_DATAGRAM
    for _ in range(3):
        server.outgoing = []
        server.repeat()
    assert max(map(len, server.outgoing)) <= 512, "after two repetitions in vain"


def test_the_servers_last_flight_comes_again_when_the_client_repeats_its_own(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8), lambda who, n, d: [] if (who, n) == ("server", 1) else [d])
    link.run()
    exchange(link)
    assert link.repetitions == 1


# What goes wrong


def failure(link: Link) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        link.run()
    return caught.value


def test_an_unknown_identity_is_told(sides: Sides) -> None:
    sides.keys = {}
    error = failure(sides.link(sides.client(PSK_CCM_8)))
    assert error.alert is Alert.UNKNOWN_PSK_IDENTITY
    assert "device" in error.message


@pytest.mark.parametrize("key", [b"", bytes(65)])
def test_a_key_of_no_length_to_be_relied_on_is_as_good_as_none(sides: Sides, key: bytes) -> None:
    sides.keys = {"device": key}
    assert failure(sides.link(sides.client(PSK_CCM_8))).alert is Alert.UNKNOWN_PSK_IDENTITY


@pytest.mark.parametrize("suite", [PSK_CCM_8, ECDHE_PSK_GCM])
def test_a_wrong_key_is_noticed_at_the_second_finished(sides: Sides, suite: int) -> None:
    sides.keys = {"device": bytes(16)}
    link = sides.link(sides.client(suite))
    error = failure(link)
    assert error.alert is Alert.DECRYPT_ERROR
    assert link.repetitions == 1


def test_a_key_that_is_not_accepted_is_told(sides: Sides) -> None:
    sides.accepts = False
    assert failure(sides.link(sides.client(ECDSA_CCM_8))).alert is Alert.CERTIFICATE_UNKNOWN


def test_a_server_that_is_not_the_one_meant_is_left(sides: Sides) -> None:
    raw = (CertificateType.RAW_PUBLIC_KEY,)
    policy = ClientPolicy(signer=sides.client_key, client_types=raw, server_types=raw, judge=lambda _: False)
    assert failure(sides.link(policy)).alert is Alert.CERTIFICATE_UNKNOWN


def test_no_suite_in_common_is_told(sides: Sides) -> None:
    link = sides.link(sides.client(ECDSA_CCM_8, CertificateType.X509))  # the server has a raw key only
    assert failure(link).alert is Alert.HANDSHAKE_FAILURE


def test_the_client_has_the_choice_among_what_the_server_can(sides: Sides) -> None:
    policy = ClientPolicy(b"device", bytes(range(16)), suites=(0x00A8, 0xD003, 0xC0A8))
    link = sides.link(policy).run()
    assert link.client.suite is SUITES[0x00A8]
    assert link.client.exchange is KeyExchange.PSK


def test_an_alert_in_the_clear_ends_a_handshake_under_way(link: Link) -> None:
    (record,) = records(bytes.fromhex("15fefd 0000000000000009 0002 0228"), 8)
    with pytest.raises(HandshakeError, match="handshake_failure") as caught:
        link.client.receive(record)
    assert caught.value.alert is None


def test_a_warning_does_not(link: Link) -> None:
    (record,) = records(bytes.fromhex("15fefd 0000000000000009 0002 015a"), 8)
    link.client.receive(record)


def test_no_secret_shows_in_what_is_printed(done: Link, sides: Sides) -> None:
    assert done.server is not None
    shown = repr((done.client, done.server, done.client.session, sides.client(PSK_CCM_8), sides.server_key))
    assert done.client.session is not None
    block = done.client.session._keys.block
    for secret in (block[:16], block[:16].hex().encode(), bytes(range(16))):
        assert repr(secret)[2:-1] not in shown
    assert bytes(range(16)).hex() not in shown
