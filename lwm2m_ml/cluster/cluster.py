"""A node of a cluster: its connection, lease, ownership, requests and events, put together and taken apart."""

import asyncio
import re
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import BadRequestError, KeyNotFoundError
from nats.js.kv import KeyValue

from lwm2m_ml.bus import Bus, NotOwner
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.cluster.connection import connect
from lwm2m_ml.cluster.devices import RoutedDevices
from lwm2m_ml.cluster.endings import end
from lwm2m_ml.cluster.lease import LEASE_SECONDS, Lease
from lwm2m_ml.cluster.ownership import ClusterOwnership
from lwm2m_ml.cluster.peers import Peers
from lwm2m_ml.cluster.relay import EventRelay
from lwm2m_ml.cluster.requests import NodeRequests
from lwm2m_ml.errors import ConflictError, UnavailableError, UsageError
from lwm2m_ml.exposure import Certificates
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store, StoreError
from lwm2m_ml.store.changes import FOLLOWED, TOLD, StoreChanged
from lwm2m_ml.store.fence import CAMPAIGNS, Fence

LEASES, OWNERS, IDENTITY = "lwm2m-leases", "lwm2m-owners", "lwm2m-identity"
SECRETS = "secrets"
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where NATS is and what it is shown; `node` names this node for people."""

    url: str
    certificates: Certificates = field(default_factory=Certificates)
    credentials: Path | None = None
    node: str = ""
    lease_seconds: float = LEASE_SECONDS


class Cluster:
    """This node's part of it. Join before the server is made, `attach` it, `leave` after it has stopped."""

    def __init__(self, settings: ClusterSettings, store: Store, bus: Bus) -> None:
        """Use `join`."""
        self.node = node_id(settings.node)
        self._settings = settings
        self._store = store
        self._bus = bus
        self._relay: EventRelay | None = None
        self._server: Lwm2mServer | None = None
        self._listening: asyncio.Task[None] | None = None
        self._connection: Client
        self._stream: JetStreamContext
        self._requests: NodeRequests
        self._lease: Lease
        self._peers: Peers
        self.ownership: ClusterOwnership

    @classmethod
    async def join(cls, settings: ClusterSettings, store: Store, bus: Bus, *, secrets_digest: str = "") -> "Cluster":
        """Connect and take a lease; nothing is acted for yet.

        `secrets_digest` is the same on all nodes of a cluster. Raises `UsageError`, `ConflictError` for a node with
        other secrets, and `UnavailableError`.
        """
        cluster = cls(settings, store, bus)
        cluster._connection = connection = await connect(
            settings.url,
            settings.certificates,
            settings.credentials,
            name=cluster.node,
            on_reconnected=cluster._reconnected,
        )
        try:
            await cluster._start(secrets_digest)
        except (Error, OSError, TimeoutError) as error:
            await connection.close()
            raise UnavailableError(
                f"NATS does not do what is needed ({error})", hint="Start it with --jetstream"
            ) from error
        except BaseException:
            await connection.close()
            raise
        return cluster

    async def attach(self, server: Lwm2mServer) -> None:
        """Keep this server in step with the others, and let it reach the devices of all of them."""
        self._server = server
        devices = RoutedDevices(server.devices, server, self.ownership, self._bus)
        devices.serve()
        server.devices = devices
        server.bootstrap.lives = self.lives
        self._bus.router = self._route
        self._store.writer.on_written = self._written
        self._relay = EventRelay(
            self._stream, self._bus, self.node, self._resync, maximum_bytes=self._connection.max_payload
        )
        try:
            await self._relay.start()
        except (Error, OSError, TimeoutError) as error:
            raise UnavailableError(f"NATS does not keep events ({error})") from error

    def lives(self, name: str) -> bool:
        """Whether a node that was started with this name has a lease."""
        return any(node.rpartition("-")[0] == readable(name) for node in self._peers.present)

    def drive_campaigns(self) -> None:
        """Drive the campaigns whenever no other node does."""
        self.ownership.pursue(CAMPAIGNS)

    async def leave(self) -> None:
        """Let others take over at once, and end the connection."""
        self._bus.router = None
        self._store.writer.on_written = None
        if self._relay is not None:
            await self._relay.stop()
        await self._peers.stop()
        await self.ownership.stop()
        await self._lease.stop()
        await self._requests.stop()
        await end([self._listening])
        try:
            await self._connection.close()
        except (Error, OSError) as error:
            log.info("the connection to NATS was gone already", reason=str(error))

    async def _start(self, secrets_digest: str) -> None:
        self._stream = self._connection.jetstream()
        self._requests = NodeRequests(self._connection, self._bus, self.node)
        leases = await self._bucket(LEASES, ttl=self._settings.lease_seconds)
        owners = await self._bucket(OWNERS)
        await self._check_secrets(secrets_digest)
        self._lease = Lease(leases, self.node, self._lease_ended, seconds=self._settings.lease_seconds)
        self.ownership = ClusterOwnership(
            self.node, owners, self._lease, self._store.ownerships, bus=self._bus, let_go=self._requests.let_go
        )
        self._store.writer.guard(Fence(self.ownership.token))
        await self._requests.start(self.ownership.lose)
        await self._lease.start()
        self._peers = Peers(self._stream, LEASES, self._bus)
        self._peers.start()
        log.info("joined the cluster", node=self.node)

    async def _bucket(self, name: str, **options: Any) -> KeyValue:
        try:
            return await self._stream.create_key_value(KeyValueConfig(name, history=1, **options))
        except BadRequestError as error:
            hint = f"All nodes need the same lease; else delete the bucket: nats kv del {name}"
            raise UsageError(
                f"The bucket {name} in NATS has other settings ({error.description})", hint=hint
            ) from error

    async def _check_secrets(self, digest: str) -> None:
        """A node that cannot read what others have sealed, or signs with another key, is no node of this cluster."""
        bucket = await self._bucket(IDENTITY)
        try:
            known = (await bucket.get(SECRETS)).value or b""
        except KeyNotFoundError:
            await bucket.put(SECRETS, digest.encode())
            return
        if known != digest.encode():
            raise ConflictError(
                "This node's keys are not those of the other nodes",
                hint="Copy the data directory of another node, without its database, to this one",
            )

    def _lease_ended(self) -> None:
        self.ownership.lose_all()

    async def _route(self, owner_of: str, what: str, document: Document) -> Document:
        if self.ownership.has(owner_of):
            return await self._bus.answer(what, document)
        node = await self.ownership.owner(owner_of)
        if node is None or node == self.node:
            raise NotOwner(f"No node acts for {owner_of} at present", hint="Wait until the device is heard again")
        return await self._requests.ask(node, what, document)

    def _written(self, tables: frozenset[str]) -> None:
        followed = tables & FOLLOWED
        if followed:
            self._bus.publish(StoreChanged(tuple(sorted(followed))))

    def _reconnected(self) -> None:
        if self._relay is not None and (self._listening is None or self._listening.done()):
            self._listening = asyncio.create_task(self._listen_again(self._relay), name="events after a gap")

    async def _listen_again(self, relay: EventRelay) -> None:
        while True:
            try:
                await relay.listen()
                await self._resync()
            except (Error, OSError, TimeoutError, StoreError) as error:
                log.warning("events of other nodes are not heard", reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _resync(self) -> None:
        """Events were missed: read from the store what other nodes know."""
        self._bus.deliver(StoreChanged(tuple(sorted(FOLLOWED | TOLD))))
        if self._server is not None:
            for record in await self._store.registrations.all():
                if not self.ownership.has(record.endpoint):
                    self._server.learn(record)


def node_id(name: str) -> str:
    """A name for this run of a node: a restarted node is another one."""
    return f"{readable(name or socket.gethostname())}-{secrets.token_hex(4)}"


def readable(name: str) -> str:
    """A name as it may stand in a key of NATS."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)
