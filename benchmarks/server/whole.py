"""Our whole server, as `lwm2m-ml serve` runs it but for its API: `python whole.py PORT [cid] [uvloop] [batches]`.

Registry, store (SQLite in a temporary directory), bus and log (to standard error) are on. What devices notify and send
is decoded and published, and a result is stored for each, as the service does: Sends are answered after that.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from conversation import ask_for, converse
from processes import SESSIONS

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap import FastResponse
from lwm2m_ml.coap.numbers import CONTENT, GET
from lwm2m_ml.coap.tuning import prepare_for_load
from lwm2m_ml.config import Settings
from lwm2m_ml.logs import configure_logging
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.credentials import WantedCredential
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store import Store
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.results import ResultRecord

PACKAGE = bytes(range(256)) * 400
RESULT = ObjectPath.parse("/42771/0")
RESOURCES = tuple(ObjectPath.parse(f"/42771/0/{number}") for number in (1, 3, 5))


class Results:
    """Stores what devices report, as the service does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stored = 0

    def keep(self, event: Notified | DataSent) -> Commit:
        """Write one result; the device hears that it arrived when that is done."""
        values = {record.path.resource_id: record.value for record in event.records}
        result = ResultRecord(event.endpoint, "digits", values[5], values[1], confidence=values[3])
        commit = self._store.results.add(result)
        commit.then(self._count)
        return commit

    def _count(self, error: Exception | None) -> None:
        self.stored += error is None


def keys() -> list[WantedCredential]:
    """What the load generator for DTLS has."""
    return [
        WantedCredential(
            f"secure-{number}",
            CredentialKind.PSK,
            {"identity": f"device-{number}", "key": f"the-key-of-device-{number}".encode().hex()},
        )
        for number in range(SESSIONS)
    ]


async def main(port: int, directory: str) -> None:
    configure_logging()
    batches = "batches" in sys.argv
    settings = Settings(
        data_directory=Path(directory),
        coap_port=port,
        coaps_port=0,
        insecure=True,
        coap_batches=batches,
        dtls_engine="cid" if "cid" in sys.argv else "openssl",
    )
    store = await Store.open(settings.database_url)
    bus = Bus()
    results = Results(store)
    # All devices here have one address, which alone may not register so often.
    limits = ServerLimits(registrations_per_peer=0)
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings, limits=limits)
    await server.start()
    await server.credentials.add_all(keys())
    server.add_keeper(results.keep)

    def path_of(content: bytes) -> str:
        return server.downloads.publish(content, endpoint="device-0").uri.split("/", 3)[3]

    def endpoints() -> list[str]:
        return [registration.endpoint for registration in server.registry.all()]

    async def observe(_seconds: float) -> dict[str, Any]:
        await asyncio.gather(*(server.devices.observe(endpoint, RESULT) for endpoint in endpoints()))
        return {"observed": len(endpoints())}

    async def read(seconds: float) -> dict[str, Any]:
        return await ask_for(seconds, endpoints(), lambda endpoint: server.devices.read(endpoint, RESULT))

    async def read_composite(seconds: float) -> dict[str, Any]:
        return await ask_for(seconds, endpoints(), lambda one: server.devices.read_composite(one, RESOURCES))

    async def stored(seconds: float) -> dict[str, Any]:
        if seconds:
            await bus.drain()
            await store.writer.flush()
        return {"stored": results.stored}

    orders = {"observe": observe, "read": read, "read composite": read_composite, "stored": stored}
    # As trivial as what the others answer with; the server's own requests all do more.
    server._exchange.coap._responder._fast.add(GET, "hello", lambda _request: FastResponse(CONTENT, b"hello"))
    prepare_for_load()
    facts = {
        "hello": "hello",
        "package": path_of(PACKAGE),
        "secure_port": int(server.uris["coaps"].rpartition(":")[2]),
    }
    await converse(facts, orders)
    await server.stop()
    await bus.close()
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        work = main(int(sys.argv[1]), directory)
        if "uvloop" in sys.argv:
            import uvloop

            uvloop.run(work)
        else:
            asyncio.run(work)
