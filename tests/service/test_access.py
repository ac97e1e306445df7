"""Tokens: what is stored of them, when they end, and who is asked about those of others."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.service.access import AccessTokens, Caller, Scope
from lwm2m_ml.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'tokens.sqlite3'}")
    yield store
    await store.close()


@pytest.fixture
def tokens(store: Store) -> AccessTokens:
    return AccessTokens(store.tokens)


def test_a_greater_scope_includes_the_smaller_ones() -> None:
    order = [Scope.VIEWER, Scope.OPERATOR, Scope.ADMIN]
    for index, scope in enumerate(order):
        assert [scope.includes(other) for other in order] == [number <= index for number in range(3)]


async def test_nothing_stored_is_the_token(tokens: AccessTokens, store: Store, tmp_path: Path) -> None:
    token = await tokens.issue(Scope.VIEWER, "dashboard")
    caller = await tokens.caller_of(token)
    assert caller is not None
    assert caller.scope is Scope.VIEWER
    assert "dashboard" in caller.name
    await store.close()
    stored = await asyncio.to_thread(lambda: [file.read_bytes() for file in tmp_path.iterdir()])
    assert any(b"dashboard" in content for content in stored)
    assert not any(token.encode() in content for content in stored)


async def test_the_first_admin_token_is_given_once(tokens: AccessTokens) -> None:
    assert await tokens.issue_first_admin() is not None
    assert await tokens.issue_first_admin() is None


async def test_a_token_ends_with_its_lifetime(tokens: AccessTokens) -> None:
    brief = await tokens.issue(Scope.ADMIN, "brief", lifetime=-1.0)
    long = await tokens.issue(Scope.ADMIN, "long", lifetime=60.0)
    assert await tokens.caller_of(brief) is None
    assert await tokens.caller_of(long) is not None
    facts = await tokens.find(long)
    assert facts is not None
    assert facts.expires_at == pytest.approx(time.time() + 60, abs=30)


async def test_an_expired_admin_token_does_not_count_as_the_last_one(tokens: AccessTokens) -> None:
    await tokens.issue(Scope.ADMIN, "expired", lifetime=-1.0)
    mine = await tokens.find(await tokens.issue(Scope.ADMIN, "mine"))
    assert mine is not None
    with pytest.raises(ConflictError, match="last admin token"):
        await tokens.revoke(mine.id)
    await tokens.issue(Scope.ADMIN, "another")
    await tokens.revoke(mine.id)
    with pytest.raises(NotFoundError):
        await tokens.revoke(mine.id)


async def test_others_are_asked_about_tokens_that_were_not_issued_here(store: Store) -> None:
    class Provider:
        async def caller_of(self, token: str) -> Caller | None:
            return Caller("somebody", Scope.OPERATOR) if token == "theirs" else None

    tokens = AccessTokens(store.tokens, [Provider()])
    assert await tokens.caller_of("theirs") == Caller("somebody", Scope.OPERATOR)
    assert await tokens.caller_of("nobody's") is None
