"""The ring of answered messages."""

from lwm2m_ml.coap.deduplication import AnswerRing


def test_a_message_is_new_once() -> None:
    ring = AnswerRing(4, 100.0)
    assert ring.seen(hash(b"request"), 0.0) is None
    ring.remember(hash(b"request"), b"answer", 0.0)
    assert ring.seen(hash(b"request"), 50.0) == b"answer"


def test_after_the_exchange_lifetime_the_message_id_is_new_again() -> None:
    ring = AnswerRing(4, 100.0)
    ring.remember(hash(b"request"), b"answer", 0.0)
    assert ring.seen(hash(b"request"), 101.0) is None


def test_the_oldest_message_gives_way() -> None:
    ring = AnswerRing(3, 100.0)
    for n in range(100):
        ring.remember(hash(b"%d" % n), b"answer", 0.0)
    assert len(ring) == 3
    assert ring.seen(hash(b"99"), 0.0) == b"answer"
    assert ring.seen(hash(b"96"), 0.0) is None


def test_an_answer_replaces_the_mark_of_work_under_way() -> None:
    ring = AnswerRing(1, 100.0)
    ring.remember(hash(b"request"), b"", 0.0)
    ring.remember(hash(b"request"), b"answer", 0.0)
    assert ring.seen(hash(b"request"), 0.0) == b"answer"


def test_what_is_too_old_takes_no_room_and_what_counts_stays() -> None:
    ring = AnswerRing(4, 100.0)
    ring.remember(hash(b"first"), b"", 0.0)
    ring.remember(hash(b"second"), b"answer", 10.0)
    ring.remember(hash(b"first"), b"late answer", 50.0)  # its place is still that of the oldest
    ring.expire(120.0)
    assert ring.seen(hash(b"first"), 120.0) == b"late answer"
    ring.expire(151.0)
    assert len(ring) == 0
    ring.remember(hash(b"first"), b"new", 151.0)
    assert ring.seen(hash(b"first"), 160.0) == b"new"
