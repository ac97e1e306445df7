"""Who acts for what in a cluster: a key per name that tells the node; its revision is the token of that ownership.

A key is worth as much as the lease of the node that it names. A node that has its lease is asked to let go, one that
has none need not be asked. Either way only the one who changes the revision that was seen becomes the owner. Then the
token goes to the database, which refuses older ones from there on, and only then the new owner acts.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import structlog
from nats.errors import Error
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from lwm2m_ml.bus import Bus, NotOwner, OwnershipGained, OwnershipLost
from lwm2m_ml.cluster.endings import end
from lwm2m_ml.cluster.lease import Lease
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.store.ownerships import OwnershipRepository

PURSUE_SECONDS = 1.0

LetGo = Callable[[str, str], Awaitable[None]]
"""Asks a node to let go of a name."""

log = structlog.get_logger(__name__)


class ClusterOwnership:
    """What this node acts for."""

    def __init__(
        self, node: str, owners: KeyValue, lease: Lease, tokens: OwnershipRepository, *, bus: Bus, let_go: LetGo
    ) -> None:
        self.node = node
        self._owners = owners
        self._lease = lease
        self._store = tokens
        self._bus = bus
        self._let_go = let_go
        self._tokens: dict[str, int] = {}
        self._claims: dict[str, asyncio.Task[None]] = {}
        self._claiming: set[str] = set()
        self._revoked: set[str] = set()
        """What this node was told to let go of while its claim was under way."""
        self._pursuits: set[asyncio.Task[None]] = set()

    def has(self, name: str) -> bool:
        """Whether this node acts for `name`, and may at this moment."""
        return name in self._tokens and self._lease.held

    def token(self, name: str) -> int | None:
        """The revision with which this node acts for `name`."""
        return self._tokens.get(name) if self._lease.held else None

    def check(self) -> None:
        """Raise `NotOwner` while this node has no lease."""
        if not self._lease.held:
            raise NotOwner("This node has no lease at present", hint="It takes work again when NATS answers")

    def claim(self, name: str) -> "asyncio.Future[None]":
        """Act for `name` from now on; claims of the same name at the same time are one."""
        task = self._claims.get(name)
        if task is None:
            task = self._claims[name] = asyncio.create_task(self._claim(name, insist=True), name=f"claim {name}")
            task.add_done_callback(lambda done: self._claimed(name, done))
        return task

    def pursue(self, name: str) -> None:
        """Act for `name` whenever no other node does."""
        task = asyncio.create_task(self._pursue(name), name=f"pursue {name}")
        self._pursuits.add(task)

    def lose(self, name: str) -> None:
        """Act for `name` no more, and not by a claim that is under way."""
        if name in self._claiming:
            self._revoked.add(name)
        if self._tokens.pop(name, None) is not None:
            self._bus.publish(OwnershipLost(name))

    def lose_all(self) -> None:
        """Act for nothing any more."""
        for name in (*self._tokens, *self._claims):
            self.lose(name)

    async def is_elsewhere(self, name: str) -> bool:
        """Whether another node acts for `name`. Raises `NotOwner` if nobody knows."""
        return await self.owner(name) not in {None, self.node}

    async def owner(self, name: str) -> str | None:
        """The node that acts for `name` and has its lease; None when none does. Raises `NotOwner` if nobody knows."""
        try:
            entry = await self._owners.get(key_of(name))
            node = (entry.value or b"").decode()
            return node if await self._lease.of(node) else None
        except KeyNotFoundError:
            return None
        except (Error, TimeoutError, OSError) as error:
            raise _nobody_knows(name, error) from error

    async def stop(self) -> None:
        """Claim nothing any more."""
        await end([*self._claims.values(), *self._pursuits])
        self._tokens.clear()

    async def _claim(self, name: str, *, insist: bool) -> None:
        if self.has(name):
            return
        self.check()
        self._claiming.add(name)
        try:
            self._tokens[name] = await self._new_token(name, insist=insist)
        finally:
            self._claiming.discard(name)
            self._revoked.discard(name)
        self._bus.publish(OwnershipGained(name))

    async def _new_token(self, name: str, *, insist: bool) -> int:
        try:
            token = await self._take(name, insist=insist)
        except KeyWrongLastSequenceError:
            raise NotOwner(f"Another node acts for {name} by now") from None
        except (Error, TimeoutError, OSError) as error:
            raise _nobody_knows(name, error) from error
        if not await self._store.take(name, token, self.node):
            raise NotOwner(f"The database knows a later owner of {name}")
        if name in self._revoked:
            raise NotOwner(f"Another node wants to act for {name}")
        return token

    async def _take(self, name: str, *, insist: bool) -> int:
        key, ours = key_of(name), self.node.encode()
        try:
            entry = await self._owners.get(key)
        except KeyNotFoundError:
            return int(await self._owners.create(key, ours))
        node = (entry.value or b"").decode()
        if node != self.node and await self._lease.of(node):
            if not insist:
                raise NotOwner(f"Node {node} acts for {name}")
            await self._make_let_go(node, name)
        return int(await self._owners.update(key, ours, last=entry.revision))

    async def _make_let_go(self, node: str, name: str) -> None:
        try:
            await self._let_go(node, name)
        except Lwm2mMlError as error:
            if await self._lease.of(node):
                raise NotOwner(f"Node {node} acts for {name} and does not let go ({error.message})") from error

    async def _pursue(self, name: str) -> None:
        while True:
            try:
                await self._claim(name, insist=False)
            except Lwm2mMlError as error:
                log.debug("not ours", name=name, reason=str(error))
            await asyncio.sleep(PURSUE_SECONDS)

    def _claimed(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._claims.get(name) is task:
            del self._claims[name]
        if not task.cancelled():
            task.exception()  # whoever claimed has heard of it


def key_of(name: str) -> str:
    """A key for any name: those of NATS are made of few characters."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=") or "-"


def _nobody_knows(name: str, error: Exception) -> NotOwner:
    return NotOwner(f"Nobody knows who acts for {name} ({error or type(error).__name__})", hint="NATS does not answer")
