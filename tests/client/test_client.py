"""The client turns answers into typed objects and problems into errors, against a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lwm2m_ml.client.client import AsyncClient, Client
from lwm2m_ml.client.errors import ApiError, ServerUnreachableError


@dataclass
class ScriptedServer:
    """Answers every request with `status` and `body`, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    script = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.requests.append((self.command, self.path, self.headers.get("Authorization"), body))
            self.send_response(script.status)
            self.send_header("Content-Length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_read_becomes_typed_values(server: ScriptedServer) -> None:
    server.body = json.dumps([{"path": "/3/0/0", "type": "string", "value": "Acme", "new_member": 1}]).encode()
    with Client(server.url, "secret") as client:
        (value,) = client.read("node 1/a", "/3/0")
    assert (value.path, value.value) == ("/3/0/0", "Acme")
    assert server.requests == [("GET", "/api/v1/devices/node%201%252Fa/lwm2m/3/0", "Bearer secret", b"")]


def test_a_write_sends_the_value_and_needs_no_body_back(server: ScriptedServer) -> None:
    server.status = 204
    with Client(server.url) as client:
        client.write("node", "/3/0/15", "Europe/Stockholm")
    method, path, _, body = server.requests[0]
    assert (method, path, json.loads(body)) == (
        "PUT",
        "/api/v1/devices/node/lwm2m/3/0/15",
        {"value": "Europe/Stockholm"},
    )


async def test_the_async_client_speaks_the_same_calls(server: ScriptedServer) -> None:
    server.body = b"[]"
    async with AsyncClient(server.url, "secret") as client:
        assert await client.results("node", since=7) == []
    assert server.requests[0][1] == "/api/v1/devices/node/results?since=7"


def test_a_problem_becomes_an_error_with_its_hint(server: ScriptedServer) -> None:
    server.status = 404
    server.body = json.dumps(
        {"title": "Not Found", "status": 404, "detail": "No device is called node.", "hint": "List them"}
    ).encode()
    with (
        Client(server.url) as client,
        pytest.raises(ApiError, match=r"No device is called node\. List them\.") as caught,
    ):
        client.device("node")
    assert caught.value.status == 404


def test_an_error_that_is_no_problem_document_is_still_an_error(server: ScriptedServer) -> None:
    server.status, server.body = 500, b"<html>"
    with Client(server.url) as client, pytest.raises(ApiError, match="HTTP 500"):
        client.devices()


def test_an_answer_of_another_shape_is_an_error(server: ScriptedServer) -> None:
    server.body = b'[{"surprise": true}]'
    with Client(server.url) as client, pytest.raises(ApiError, match="not what this client understands"):
        client.devices()


def test_no_server_is_an_error_that_says_how_to_start_one() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServerUnreachableError, match="lwm2m-ml serve"):
        client.health()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://[::1"])
def test_an_unusable_address_is_an_error(url: str) -> None:
    with pytest.raises(ServerUnreachableError), Client(url) as client:
        client.health()
