"""What a node, NATS and PostgreSQL do in a second, on this machine: `make bench-cluster`.

Starts the engines on free ports; a node claims devices, writes rows with their tokens, asks another node and tells
it of events, and prints operations per second and bytes. The figures are the ground of `simulate.py` and docs/scale.md.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from lwm2m_ml.bus import Bus
from lwm2m_ml.cluster import event_codec
from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings
from lwm2m_ml.logs import configure_logging
from lwm2m_ml.server.events import DeviceUpdated
from lwm2m_ml.store import Store
from lwm2m_ml.store.registrations import RegistrationRecord
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.postgresql import postgresql

DEVICES = 4_000
ASKED = 4_000
AT_ONCE = 256


def record(endpoint: str) -> RegistrationRecord:
    """A registration as large as usual ones."""
    parameters = json.dumps({"objects": {f"/{number}/0": "1.0" for number in range(30)}})
    return RegistrationRecord(endpoint, endpoint, "192.0.2.1", 1, None, 300, "1.1", "U", False, parameters, 1.0, 1.0)


async def rate(count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """How many pieces of work are done in a second, `AT_ONCE` under way."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return count / (time.perf_counter() - began)


async def measure(nats_url: str, database_url: str) -> dict[str, object]:
    """Measure one thing after the other."""
    stores = [await Store.open(database_url) for _ in range(2)]
    buses = [Bus(), Bus()]
    nodes = [
        await Cluster.join(ClusterSettings(nats_url, node=f"node{number}"), store, bus)
        for number, (store, bus) in enumerate(zip(stores, buses, strict=True))
    ]
    one, other = nodes
    names = [f"urn:imei:{number:015}" for number in range(DEVICES)]
    found: dict[str, object] = {}

    async def answer(document: dict[str, object]) -> dict[str, object]:
        return document

    buses[0].serve("echo", answer)
    found["claims_per_second"] = round(await rate(DEVICES, lambda at: one.ownership.claim(names[at])))
    found["fenced_registrations_per_second"] = round(
        await rate(DEVICES, lambda at: _settled(stores[0].registrations.put(record(names[at]))))
    )
    found["claims_from_a_working_node_per_second"] = round(
        await rate(DEVICES // 4, lambda at: other.ownership.claim(names[at]))
    )
    found["requests_to_the_other_node_per_second"] = round(
        await rate(ASKED, lambda at: other._requests.ask(one.node, "echo", {"path": "/3/0/0", "endpoint": names[at]}))
    )
    event = DeviceUpdated(names[0])
    found["bytes_of_an_event"] = len(json.dumps(event_codec.encode(event)))
    for node in nodes:
        await node.leave()
    for store in stores:
        await store.close()
    return found


async def _settled(commit: Awaitable[None]) -> None:
    await commit


def main() -> None:
    """Start the engines, measure, print."""
    configure_logging(level="error")
    with (
        tempfile.TemporaryDirectory(prefix="lwm2m-ml-bench-") as folder,
        nats(Path(folder) / "nats") as messages,
        postgresql() as database,
    ):
        print(json.dumps(asyncio.run(measure(messages.url, database.url())), indent=2))


if __name__ == "__main__":
    main()
