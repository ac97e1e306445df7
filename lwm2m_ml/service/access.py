"""Who may call the API: tokens, random and hashed at rest, each with one scope; a greater one includes the smaller."""

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.store.tokens import TokenRecord, TokenRepository

ID_LENGTH = 12
"""Characters of a token's digest that name it; the digest gives nothing of the token away."""


class Scope(StrEnum):
    """What a caller may do: look, act on devices and models, or administer."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether whoever holds this scope may do what `other` asks for."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request comes from. `name` is what the audit log calls them."""

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """An API token without the token. Times in Unix seconds."""

    id: str
    label: str
    scope: Scope
    created_at: float
    expires_at: float | None


class Identities(Protocol):
    """Something that knows callers by their bearer token."""

    async def caller_of(self, token: str) -> Caller | None:
        """Whoever holds the token, or None when it is not one of these, was revoked or has expired."""


class AccessTokens:
    """Issues and checks API tokens.

    Only SHA-256 digests are stored; a token holds 256 random bits, so its digest needs no salt.
    """

    def __init__(self, repository: TokenRepository, others: Sequence[Identities] = ()) -> None:
        """`others` are asked about tokens that were not issued here."""
        self._repository = repository
        self._others = others

    async def issue(self, scope: Scope, label: str, *, lifetime: float | None = None) -> str:
        """Make a token and return it, the only time it is seen; it ends after `lifetime` seconds, if given."""
        token = secrets.token_urlsafe(32)
        expires_at = None if lifetime is None else time.time() + lifetime
        await self._repository.add(digest_of(token), scope=str(scope), label=label, expires_at=expires_at)
        return token

    async def issue_first_admin(self) -> str | None:
        """The first admin token of a new installation; None when there are tokens already."""
        if await self._repository.count():
            return None
        return await self.issue(Scope.ADMIN, "first admin")

    async def all(self) -> tuple[TokenFacts, ...]:
        """Every token, oldest first, those that have expired included."""
        return tuple(map(_facts, await self._repository.all()))

    async def find(self, token: str) -> TokenFacts | None:
        """What is known of a token, expired or not."""
        record = await self._repository.find(digest_of(token))
        return None if record is None else _facts(record)

    async def revoke(self, token_id: str) -> None:
        """Let nobody in with a token any more; the last token of an administrator stays.

        Raises `NotFoundError` and `ConflictError`.
        """
        records = {_facts(record).id: record for record in await self._repository.all()}
        record = records.get(token_id)
        if record is None:
            raise NotFoundError(f"There is no token {token_id!r}")
        others = (one for name, one in records.items() if name != token_id)
        if record.scope == Scope.ADMIN and not any(_is_good_admin(one) for one in others):
            raise ConflictError("This is the last admin token", hint="Issue another one first")
        await self._repository.delete(record.hash)

    async def caller_of(self, token: str) -> Caller | None:
        """Whoever holds a token, or None when it is unknown, was revoked or has expired."""
        record = await self._repository.find(digest_of(token))
        if record is not None:
            facts = _facts(record)
            return None if _expired(record) else Caller(f"{facts.label} ({facts.id})", facts.scope)
        for identities in self._others:
            caller = await identities.caller_of(token)
            if caller is not None:
                return caller
        return None


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _facts(record: TokenRecord) -> TokenFacts:
    return TokenFacts(record.hash[:ID_LENGTH], record.label, Scope(record.scope), record.created_at, record.expires_at)


def _expired(record: TokenRecord) -> bool:
    return record.expires_at is not None and record.expires_at <= time.time()


def _is_good_admin(record: TokenRecord) -> bool:
    return record.scope == Scope.ADMIN and not _expired(record)
