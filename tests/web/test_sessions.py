import pytest

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.web import sessions
from lwm2m_ml.web.sessions import Session, Sessions


def session() -> Session:
    return Session("somebody", "viewer", AsyncClient("http://nowhere", "token"))


async def test_a_session_is_found_by_its_secret_alone() -> None:
    kept = Sessions()
    begun = session()
    secret = await kept.begin(begun)
    assert kept.find(secret) is begun
    assert kept.find(secret[:-1]) is None
    assert kept.find("") is None


async def test_an_ended_session_is_not_found() -> None:
    kept = Sessions()
    secret = await kept.begin(session())
    await kept.end(secret)
    assert kept.find(secret) is None
    await kept.end(secret)


async def test_a_session_ends_when_nobody_was_seen_for_hours() -> None:
    kept = Sessions()
    begun = session()
    secret = await kept.begin(begun)
    begun.seen -= sessions.IDLE_SECONDS + 1
    assert kept.find(secret) is None


async def test_a_session_ends_however_often_somebody_is_seen() -> None:
    kept = Sessions()
    begun = session()
    secret = await kept.begin(begun)
    begun.began -= sessions.LONGEST_SECONDS + 1
    assert kept.find(secret) is None


async def test_the_session_that_was_idle_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAXIMUM_SESSIONS", 2)
    kept = Sessions()
    first, second = session(), session()
    first_secret, second_secret = await kept.begin(first), await kept.begin(second)
    first.seen += 10
    third_secret = await kept.begin(session())
    assert kept.find(first_secret) is first
    assert kept.find(second_secret) is None
    assert kept.find(third_secret) is not None
    assert len(kept) == 2


def test_a_session_shows_no_token() -> None:
    assert "token" not in repr(session())
