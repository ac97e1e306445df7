"""Who is logged in. Sessions live in memory: a restart of the server ends them, and tokens are written down nowhere."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field

from lwm2m_ml.client.client import AsyncClient

IDLE_SECONDS = 8 * 3600.0
LONGEST_SECONDS = 7 * 86_400.0
MAXIMUM_SESSIONS = 1_000


@dataclass(slots=True, eq=False)
class Session:
    """One browser that showed a good token. `client` acts with that token; the API decides what it may do."""

    caller: str
    scope: str
    client: AsyncClient = field(repr=False)
    began: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    dark: bool | None = None
    """Whether pages are dark; None follows the browser."""

    def is_over(self, now: float) -> bool:
        """Whether nobody was seen for too long, or the session is too old."""
        return now - self.seen > IDLE_SECONDS or now - self.began > LONGEST_SECONDS


class Sessions:
    """Sessions by the digest of the secret that the browser keeps in its cookie."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def begin(self, session: Session) -> str:
        """Keep a session and return the secret for its cookie; the one that was idle longest makes room."""
        await self._end_old()
        secret = secrets.token_urlsafe(32)
        self._sessions[_digest(secret)] = session
        return secret

    def find(self, secret: str) -> Session | None:
        """Return the session of a secret, and note that somebody is there."""
        session = self._sessions.get(_digest(secret))
        now = time.monotonic()
        if session is None or session.is_over(now):
            return None
        session.seen = now
        return session

    async def end(self, secret: str) -> None:
        """Forget a session."""
        session = self._sessions.pop(_digest(secret), None)
        if session is not None:
            await session.client.close()

    async def end_all(self) -> None:
        """Forget everybody."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.client.close()

    async def _end_old(self) -> None:
        now = time.monotonic()
        over = [key for key, session in self._sessions.items() if session.is_over(now)]
        if len(self._sessions) - len(over) >= MAXIMUM_SESSIONS:
            over.append(min(self._sessions, key=lambda key: self._sessions[key].seen))
        for key in over:
            session = self._sessions.pop(key, None)
            if session is not None:
                await session.client.close()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
