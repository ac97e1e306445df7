"""Requests from node to node: to whoever acts for a name, answered like a call here, errors included."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from lwm2m_ml.bus import Bus, NotOwner
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.cluster.endings import end
from lwm2m_ml.cluster.failures import from_failure, to_failure
from lwm2m_ml.errors import Lwm2mMlError

SUBJECT = "lwm2m.node"
PATIENCE_SECONDS = 120.0
LET_GO_SECONDS = 2.0
LET_GO = "ownership.let-go"
UNDER_WAY = 1_000

log = structlog.get_logger(__name__)


class NodeRequests:
    """Asks other nodes, and answers them."""

    def __init__(self, connection: Client, bus: Bus, node: str) -> None:
        self._connection = connection
        self._bus = bus
        self._node = node
        self._tasks: set[asyncio.Task[None]] = set()
        self._limit = asyncio.Semaphore(UNDER_WAY)

    async def start(self, lose: Callable[[str], None]) -> None:
        """Answer from now on; `lose` is told what this node is asked to let go of."""

        async def let_go(document: Document) -> Document:
            lose(str(document["name"]))
            return {}

        self._bus.serve(LET_GO, let_go)
        await self._connection.subscribe(f"{SUBJECT}.{self._node}", cb=self._received)

    async def stop(self) -> None:
        """Give up what is under way."""
        await end(self._tasks)

    async def let_go(self, node: str, name: str) -> None:
        """Have a node let go of a name. Raises `NotOwner`."""
        await self.ask(node, LET_GO, {"name": name}, seconds=LET_GO_SECONDS)

    async def ask(
        self, node: str, what: str, document: Document, *, seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Ask a node. Raises what its handler raised, and `NotOwner` when it does not answer."""
        request = json.dumps({"what": what, "document": document}).encode()
        limit = self._connection.max_payload
        if len(request) > limit:
            raise Lwm2mMlError(
                f"{len(request)} bytes are too many for a message between nodes",
                hint=f"NATS takes {limit}: max_payload",
            )
        try:
            reply = await self._connection.request(f"{SUBJECT}.{node}", request, timeout=seconds)
        except (NoRespondersError, NatsTimeout) as error:
            raise NotOwner(f"Node {node} does not answer", hint="Try again in a few seconds") from error
        except (Error, OSError) as error:
            raise NotOwner(f"Node {node} cannot be asked ({error})", hint="NATS does not answer") from error
        answer: dict[str, Any] = json.loads(reply.data)
        if "failure" in answer:
            raise from_failure(answer["failure"])
        return dict(answer["answer"])

    async def _received(self, message: Msg) -> None:
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg) -> None:
        async with self._limit:
            try:
                request = json.loads(message.data)
                reply: dict[str, Any] = {"answer": await self._bus.answer(request["what"], request["document"])}
            except Lwm2mMlError as error:
                reply = {"failure": to_failure(error)}
            except Exception:
                log.exception("a request of another node failed")
                reply = {"failure": to_failure(Lwm2mMlError("The other node failed", hint="Its log tells why"))}
            try:
                await message.respond(json.dumps(reply).encode())
            except (Error, OSError) as error:
                log.warning("another node is not answered", reason=str(error))
