"""Health, readiness, metrics, traces and events, over real HTTP."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from lwm2m_ml.app import ApiServer, Running, check_exposure, running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas import Event
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.own_certificate import CERTIFICATE_FILE, PRIVATE_KEY_FILE, own_certificate
from lwm2m_ml.service.access import AccessTokens, Caller
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml.store.errors import StoreUnavailable
from tests.api.conftest import PATIENCE


@pytest.fixture
def service(api: FastAPI) -> TinyMLService:
    found: TinyMLService = api.state.service
    return found


async def test_metrics_are_what_prometheus_reads_and_need_a_token(http: httpx.AsyncClient, where: Running) -> None:
    assert (await http.get("/metrics")).status_code == 401
    http.headers["Authorization"] = f"Bearer {where.first_token}"
    await http.get("/api/v1/devices")
    await http.get("/api/v1/devices/node/lwm2m/3/0")
    await http.get("/no/such/path")
    text = (await http.get("/metrics")).text
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["lwm2m_ml_devices", ()] == 0
    counted = {dict(labels)["route"]: value for (name, labels), value in samples.items() if name == REQUESTS}
    assert counted["/devices"] == 1
    assert counted["/devices/{endpoint}/lwm2m/{path}"] == 1
    assert counted["unknown"] == 1
    assert "process_resident_memory_bytes" in text


REQUESTS = "lwm2m_ml_api_requests_total"


async def test_a_server_whose_database_takes_no_writes_is_not_ready(
    http: httpx.AsyncClient, service: TinyMLService
) -> None:
    assert (await http.get("/api/v1/ready")).json() == {"ready": True}
    await service._store.writer.close()  # what a full disk or a lost database comes to
    answer = await http.get("/api/v1/ready")
    assert answer.status_code == 503
    assert (await http.get("/api/v1/health")).status_code == 200


async def test_health_is_told_to_callers_whom_the_database_cannot_tell(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_tokens: AccessTokens, _token: str) -> Caller | None:
        raise StoreUnavailable("The database cannot be reached")

    monkeypatch.setattr(AccessTokens, "caller_of", gone)
    known = {"Authorization": "Bearer whoever"}
    assert (await http.get("/api/v1/health", headers=known)).status_code == 200
    assert (await http.get("/api/v1/devices", headers=known)).status_code == 503


async def followed(service: TinyMLService) -> None:
    for _ in range(1_000):
        if service.events.followers:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_events_go_on_after_the_last_one_that_was_heard(client: AsyncClient, service: TinyMLService) -> None:
    heard: list[Event] = []
    service.events.add("first", "node", {"n": 1})

    async def listen(last: str, number: int) -> None:
        async for event in client.events(types=["first", "second"], last_event_id=last):
            heard.append(event)
            if len(heard) == number:
                return

    listening = asyncio.create_task(listen("", 1))
    await followed(service)
    service.events.add("other", None, {})
    service.events.add("first", "node", {"n": 2})
    await asyncio.wait_for(listening, 10)
    service.events.add("second", "node", {"n": 3})
    await asyncio.wait_for(listen(heard[0].id, 2), 10)
    assert [(event.type, event.endpoint, event.data) for event in heard] == [
        ("first", "node", {"n": 2}),
        ("second", "node", {"n": 3}),
    ]


async def test_streams_end_when_the_server_stops(
    client: AsyncClient, server: tuple[Running, ApiServer], service: TinyMLService
) -> None:
    async def listen() -> list[Event]:
        return [event async for event in client.events()]

    listening = asyncio.create_task(listen())
    await followed(service)
    server[1].should_exit = True
    assert await asyncio.wait_for(listening, 4) == []


async def test_the_api_is_served_over_tls_with_a_given_certificate(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    paths = tmp_path / CERTIFICATE_FILE, tmp_path / PRIVATE_KEY_FILE
    settings = Settings(
        data_directory=tmp_path / "data",
        coap_port=0,
        api_port=0,
        api_host="127.0.0.1",
        api_certificate=paths[0],
        api_private_key=paths[1],
    )
    async with running(settings) as (where, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        assert where.api.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(paths[0]))
        context.check_hostname = False  # the certificate is one for devices
        async with httpx.AsyncClient(base_url=where.api, verify=context, timeout=PATIENCE) as client:
            assert (await client.get("/api/v1/health")).json()["status"] == "ok"
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=where.api, timeout=PATIENCE) as stranger:
                pytest.fail(f"trusted without a reason: {await stranger.get('/api/v1/health')}")
        http.should_exit = True
        await task


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "plant.example"])  # noqa: S104
def test_tokens_do_not_travel_in_the_clear_unless_the_operator_says_so(host: str) -> None:
    with pytest.raises(UsageError, match="would show tokens to the network"):
        check_exposure(Settings(api_host=host))
    check_exposure(Settings(api_host=host, api_plaintext=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_this_machine_needs_no_tls(host: str) -> None:
    check_exposure(Settings(api_host=host))


def test_half_of_a_key_pair_is_refused() -> None:
    with pytest.raises(UsageError, match="needs both"):
        check_exposure(Settings(api_certificate=Path("api.pem")))


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP/HTTP collector, and what was sent to it."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1/traces", received
        http.shutdown()
        thread.join()


async def test_requests_are_traced_when_asked_for(tmp_path: Path, collector: tuple[str, list[bytes]]) -> None:
    settings = Settings(data_directory=tmp_path, coap_port=0, api_port=0, trace_endpoint=collector[0])
    async with running(settings) as (where, http, listener):
        task = asyncio.create_task(http.serve(sockets=[listener]))
        async with httpx.AsyncClient(base_url=where.api, timeout=PATIENCE) as client:
            await client.get("/api/v1/health")
        http.should_exit = True
        await task
    assert any(b"/api/v1/health" in sent for sent in collector[1])
