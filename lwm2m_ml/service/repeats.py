"""Repeated requests: a key that a caller chose makes sure that a request is carried out once, whatever gets lost.

A key is reserved, on disk, before its request is carried out, and the answer is kept before it is given. Whoever
repeats the request gets the same answer; when the server was killed in between, nobody knows what became of it, and
the caller is told so instead of having it done twice.
"""

import hashlib
import json
import time
from dataclasses import dataclass

from lwm2m_ml.errors import ConflictError, InvalidInputError
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.store.idempotency_keys import IdempotencyRecord, IdempotencyRepository

RETENTION = 86_400.0
PRUNE_INTERVAL = 3_600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer to give again."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Repeats:
    """Answers by key, for a day. They may hold secrets, so they are stored encrypted."""

    def __init__(self, repository: IdempotencyRepository, vault: Vault) -> None:
        self._repository = repository
        self._vault = vault
        self._under_way: set[str] = set()
        self._pruned_at = 0.0

    async def take(self, key: str) -> bool:
        """Reserve a key for a request that is about to be carried out; False when it had been taken before."""
        self._prune()
        taken = await self._repository.take(IdempotencyRecord(key))
        if taken:
            self._under_way.add(key)
        return taken

    async def earlier(self, key: str, fingerprint: str) -> Answer:
        """The answer that the first request with this key got.

        Raises `ConflictError` when it has none yet, `InvalidInputError` when it was another request.
        """
        record = await self._repository.get(key)
        if key in self._under_way or record is None:
            raise ConflictError("The first request with this Idempotency-Key is under way", hint="Repeat it later")
        if record.answer is None:
            raise ConflictError(
                "The server stopped while it worked on the request with this Idempotency-Key",
                hint="Look whether it was carried out; if not, repeat it with a new key",
            )
        if record.fingerprint != fingerprint:
            raise InvalidInputError(
                "This Idempotency-Key came with another request before", hint="Use a new key for each request"
            )
        return _from_bytes(self._vault.unseal(record.answer, key))

    async def keep(self, key: str, fingerprint: str, answer: Answer) -> None:
        """Keep the answer to a request that was carried out."""
        try:
            await self._repository.finish(key, fingerprint, self._vault.seal(_to_bytes(answer), key))
        finally:
            self._under_way.discard(key)

    async def release(self, key: str) -> None:
        """Give a key back whose request was refused."""
        try:
            await self._repository.release(key)
        finally:
            self._under_way.discard(key)

    def forget(self, key: str) -> None:
        """Leave a key as it is: the request ended without an answer."""
        self._under_way.discard(key)

    def _prune(self) -> None:
        now = time.time()
        if now - self._pruned_at >= PRUNE_INTERVAL:
            self._pruned_at = now
            self._repository.delete_before(now - RETENTION)


def key_of(caller: str, method: str, path: str, chosen: str) -> str:
    """The stored key: callers cannot meet each other's, and the same key may serve different requests."""
    return hashlib.sha256(json.dumps([caller, method, path, chosen]).encode()).hexdigest()


def _to_bytes(answer: Answer) -> bytes:
    head = json.dumps({"status": answer.status, "headers": answer.headers}).encode()
    return len(head).to_bytes(4, "big") + head + answer.body


def _from_bytes(content: bytes) -> Answer:
    end = 4 + int.from_bytes(content[:4], "big")
    head = json.loads(content[4:end])
    return Answer(head["status"], tuple((name, value) for name, value in head["headers"]), content[end:])
