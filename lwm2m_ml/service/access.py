"""API tokens: random, hashed at rest, each with one scope; a greater scope includes the smaller ones."""

import hashlib
import secrets
from enum import StrEnum

from lwm2m_ml.store.tokens import TokenRepository


class Scope(StrEnum):
    """What a token may do: look, act on devices and models, or administer."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether whoever holds this scope may do what `other` asks for."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class AccessTokens:
    """Issues and checks API tokens.

    Only SHA-256 digests are stored; a token holds 256 random bits, so its digest needs no salt.
    """

    def __init__(self, repository: TokenRepository) -> None:
        self._repository = repository

    async def issue(self, scope: Scope, label: str) -> str:
        """Make a token and return it, the only time it is seen."""
        token = secrets.token_urlsafe(32)
        await self._repository.add(digest_of(token), scope=str(scope), label=label)
        return token

    async def issue_first_admin(self) -> str | None:
        """The first admin token of a new installation; None when there are tokens already."""
        if await self._repository.count():
            return None
        return await self.issue(Scope.ADMIN, "first admin")

    async def scope_of(self, token: str) -> Scope | None:
        """The scope of a token, or None when it is unknown."""
        record = await self._repository.find(digest_of(token))
        return None if record is None else Scope(record.scope)


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
