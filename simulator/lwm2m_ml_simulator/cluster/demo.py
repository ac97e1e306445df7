"""The demonstration of a cluster: a node is killed in the middle of a campaign, and every device gets its model.

Two nodes, NATS, PostgreSQL, a Dask scheduler with two workers and nginx run as processes on this machine, on ports of
the loopback interface; all devices are simulated in this process.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import SOCK_DGRAM

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignRequest
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.cli.running import allow_sockets
from lwm2m_ml_simulator.cluster.dask import compile_farm
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.nginx import balancer
from lwm2m_ml_simulator.cluster.node import Node, copy_keys, start_node
from lwm2m_ml_simulator.cluster.postgresql import postgresql
from lwm2m_ml_simulator.cluster.process import LOOPBACK, free_port
from lwm2m_ml_simulator.scenario.fleet import parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

FLEET = """
name = "cluster"
seed = 1
[[device]]
endpoint = "mcu"
target = "nrf52840"
slot_bytes = 65_536
count = {devices}
lifetime = {lifetime}
trial_period = 3600
inference_period_ms = {inference_period_ms}
executed_share = 0.001
"""
MODEL = "digits"
KILLED_AT = 0.3
"""The share of devices that have their model when a node is killed."""
POLL_SECONDS = 0.5
NODES = ("one", "other")
AT_ONCE = 200
"""Devices that are served at the same time at most; of few devices it is half, so that some have not begun."""
RESUMED = "campaign resumed"
"""What a node logs that goes on with a campaign."""
JOIN_SECONDS = 0.005

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often devices infer, and renew their registration: at half their lifetime, in seconds."""

    lifetime: int = 30
    inference_period_ms: int = 20_000


@dataclass(frozen=True, slots=True)
class Engines:
    """Two nodes and what is around them."""

    nodes: tuple[Node, Node]
    devices_at: str
    token: str


@dataclass(frozen=True, slots=True)
class ClusterOutcome:
    """What came of it."""

    devices: int
    running: int
    """Devices that run the model in the end, as they say themselves."""
    active: int
    """Devices that the campaign counts as done."""
    taken_over_after: float
    """Seconds from the kill until another node drove the campaign."""

    @property
    def as_promised(self) -> bool:
        """Whether every device was updated."""
        return self.running == self.active == self.devices


@contextmanager
def engines(folder: Path) -> Iterator[Engines]:
    """Start everything in the order that it needs, and stop it at the end. Raises `MissingToolError`."""
    with ExitStack() as stack:
        database = stack.enter_context(postgresql(durable=False))
        messages = stack.enter_context(nats(folder / "nats"))
        farm = stack.enter_context(compile_farm(2, folder))
        public = free_port(SOCK_DGRAM)
        options = ["--database", database.url(), "--cluster", messages.url, "--compile-farm", farm.address]
        options += ["--public-uris", f"coap://{LOOPBACK}:{public}"]
        nodes: list[Node] = []
        for number, name in enumerate(NODES):
            if number:
                copy_keys(folder / NODES[0], folder / name)
            node = start_node(name, folder / name, options, logs=folder)
            stack.callback(node.program.stop)
            nodes.append(node)
        stack.enter_context(balancer([node.coap for node in nodes], folder / "nginx", port=public))
        yield Engines((nodes[0], nodes[1]), f"coap://{LOOPBACK}:{public}", nodes[0].token)


async def play(folder: Path, devices: int, tell: Tell, *, patience: float, pace: Pace = Pace()) -> ClusterOutcome:
    """Play the whole story; raises `Lwm2mMlError` when something does not come about within `patience` seconds."""
    allow_sockets(devices)
    with engines(folder) as cluster:
        one, other = cluster.nodes
        tell(f"Two nodes, at {one.api} and {other.api}; devices come in at {cluster.devices_at}")
        async with AsyncClient(one.api, cluster.token) as at_one, AsyncClient(other.api, cluster.token) as at_other:
            anchor = VerificationKey.from_pem((await at_one.trust_anchor()).pem.encode())
            fleet = parse_fleet(FLEET.format(devices=devices, **asdict(pace)), "cluster")
            runner = FleetRunner(
                fleet, cluster.devices_at, trust_anchors=[anchor], join_interval=JOIN_SECONDS, kept_inferences=2
            )
            async with runner:
                story = Story(cluster, at_one, at_other, runner, tell=tell, patience=patience)
                return await story.play()


class Story:
    """One run."""

    def __init__(
        self,
        cluster: Engines,
        at_one: AsyncClient,
        at_other: AsyncClient,
        fleet: FleetRunner,
        *,
        tell: Tell,
        patience: float,
    ) -> None:
        self._cluster = cluster
        self._clients = (at_one, at_other)
        self._fleet = fleet
        self._tell = tell
        self._deadline = time.monotonic() + patience

    async def play(self) -> ClusterOutcome:
        """From the first registration to the last update."""
        devices = len(self._fleet.devices)
        await self._until(lambda: self._fleet.registered == devices, "all devices registered")
        at_each = [len(await _endpoints(client)) for client in self._clients]
        self._tell(f"{devices} devices are registered; the nodes know {at_each[0]} and {at_each[1]}")
        rate = {"at_once": min(AT_ONCE, -(-devices // 2))}
        plan = {"phases": [{"size": "100%"}], "rate": rate, "retry": {"attempts": 10, "delay": 2.0}}
        request = CampaignRequest(model=MODEL, endpoints=list(self._fleet.devices), plan=plan)
        campaign = await self._clients[1].start_campaign(request)
        self._tell(f"Campaign {campaign.id} brings them {MODEL}")
        await self._until(lambda: self._running() >= KILLED_AT * devices, "enough devices updated")
        had = self._running()
        driver = await self._driver(campaign.id)
        heir = 1 - driver
        before = self._resumptions(heir)
        self._cluster.nodes[driver].program.kill()
        killed_at = time.monotonic()
        self._tell(f"{had} devices run it: the node that drives the campaign is killed (kill -9)")
        await self._until(lambda: self._resumptions(heir) > before, "the other node went on")
        taken_over_after = time.monotonic() - killed_at
        self._tell(f"The other node drives it after {taken_over_after:.1f} s")
        campaign = await self._finished(self._clients[heir], campaign.id)
        active = campaign.tally.get("active", 0)
        self._tell(f"The campaign is {campaign.state}: {dict(campaign.tally)}")
        return ClusterOutcome(devices, self._running(), active, taken_over_after)

    def _running(self) -> int:
        firmwares = [device.firmware for device in self._fleet.devices.values()]
        return sum(each is not None and each.modules.in_use is not None for each in firmwares)

    async def _driver(self, campaign_id: str) -> int:
        """The node that drives a campaign: no other one can say what it waits for."""
        while True:
            for number, client in enumerate(self._clients):
                with contextlib.suppress(ServerUnreachableError):
                    if (await client.campaign(campaign_id)).diagnosis:
                        return number
            await self._wait("a node drove the campaign")

    def _resumptions(self, node: int) -> int:
        return self._cluster.nodes[node].program.log.read_text(errors="replace").count(RESUMED)

    async def _finished(self, client: AsyncClient, campaign_id: str) -> Campaign:
        while True:
            with contextlib.suppress(ServerUnreachableError):
                campaign = await client.campaign(campaign_id)
                if campaign.finished:
                    return campaign
            await self._wait(f"campaign {campaign_id} ended")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        while not condition():
            await self._wait(what)

    async def _wait(self, what: str) -> None:
        if time.monotonic() > self._deadline:
            raise Lwm2mMlError(f"Out of time before {what}; {self._running()} devices run their model")
        await asyncio.sleep(POLL_SECONDS)


async def _endpoints(client: AsyncClient) -> list[str]:
    return [device.endpoint for device in await client.devices()]
