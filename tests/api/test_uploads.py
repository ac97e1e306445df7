"""Bodies that are files go to the disk as they come, and leave nothing behind."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Annotated, Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from lwm2m_ml.api.problems import add_problem_handlers
from lwm2m_ml.api.uploads import Upload, Uploads, uploaded
from lwm2m_ml.app import Running
from lwm2m_ml.errors import InvalidInputError, UnavailableError

LARGEST = 1_000
CHUNK = 100
API = "/api/v1"


class Counted(bytes):
    """A chunk that tells how many of its kind somebody holds."""

    held: ClassVar[int] = 0
    most: ClassVar[int] = 0

    def __new__(cls, size: int) -> "Counted":
        cls.held += 1
        cls.most = max(cls.most, cls.held)
        return super().__new__(cls, size)

    def __del__(self) -> None:
        type(self).held -= 1


@pytest.fixture(autouse=True)
def none_held() -> None:
    Counted.held = Counted.most = 0


@pytest.fixture
def full_disk() -> Iterator[IO[bytes]]:
    with Path("/dev/full").open("wb", buffering=0) as file:
        yield file


async def chunks(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield Counted(CHUNK)


def open_files(directory: Path) -> list[str]:
    """Files below a directory that this process holds open, those without a name included."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(descriptor))
        except FileNotFoundError:  # the one that listed them
            continue
    return [name for name in found if name.startswith(str(directory))]


def nothing_is_left(directory: Path) -> bool:
    return not open_files(directory) and not list(directory.iterdir())


async def test_a_body_is_on_the_disk_and_not_in_memory(tmp_path: Path) -> None:
    async with Uploads(tmp_path).receive(chunks(LARGEST // CHUNK), LARGEST) as upload:
        assert Counted.most <= 2
        assert Counted.held <= 1
        assert len(open_files(tmp_path)) == 1
        assert (upload.size, upload.digest) == (LARGEST, hashlib.sha256(bytes(LARGEST)).hexdigest())
        async with upload.content() as content:
            assert content == bytes(LARGEST)
    assert nothing_is_left(tmp_path)


async def test_one_body_at_a_time_is_in_memory(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    inside = most = 0

    async def keep() -> None:
        nonlocal inside, most
        async with uploads.receive(chunks(3), LARGEST) as upload, upload.content():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(keep() for _ in range(5)))
    assert most == 1
    assert nothing_is_left(tmp_path)


async def test_a_body_without_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        async with Uploads(tmp_path).receive(chunks(0), LARGEST):
            pass
    assert nothing_is_left(tmp_path)


async def test_a_full_disk_is_told(tmp_path: Path, full_disk: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.api.uploads.tempfile.TemporaryFile", lambda **_: full_disk)
    with pytest.raises(UnavailableError, match="No space left"):
        async with Uploads(tmp_path).receive(chunks(1), LARGEST):
            pass
    assert full_disk.closed


async def post(directory: Path, messages: AsyncIterator[Message]) -> int:
    """The status of a request whose body comes in these messages."""
    api = FastAPI()
    api.state.uploads = Uploads(directory)
    add_problem_handlers(api)

    @api.post("/")
    async def route(upload: Annotated[Upload, uploaded(LARGEST)]) -> int:
        return upload.size

    sent: list[Message] = []

    async def receive() -> Message:
        return await anext(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await api(scope, receive, send)
    return int(sent[0]["status"])


async def test_an_endless_body_is_cut_off_at_its_limit(tmp_path: Path) -> None:
    asked = 0

    async def endless() -> AsyncIterator[Message]:
        nonlocal asked
        for _ in range(1_000):
            asked += 1
            yield {"type": "http.request", "body": Counted(CHUNK), "more_body": True}

    assert await post(tmp_path, endless()) == 413
    assert asked == LARGEST // CHUNK + 1
    assert Counted.most <= 3
    assert nothing_is_left(tmp_path)


async def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": Counted(CHUNK), "more_body": True}
        yield {"type": "http.disconnect"}

    assert await post(tmp_path, broken()) == 400
    assert nothing_is_left(tmp_path)


async def test_a_cancelled_request_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": Counted(CHUNK), "more_body": True}
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(post(tmp_path, stalled()))
    await begun.wait()
    assert len(open_files(tmp_path)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert nothing_is_left(tmp_path)


async def test_a_cancelled_request_keeps_its_file_until_the_disk_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered = threading.Event(), threading.Event()
    left_open: list[bool] = []

    def slow(file: IO[bytes], _chunk: bytes) -> None:
        begun.set()
        answered.wait(10)
        left_open.append(not file.closed)

    async def one() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": Counted(CHUNK), "more_body": True}

    monkeypatch.setattr("lwm2m_ml.api.uploads._write_all", slow)
    task = asyncio.create_task(post(tmp_path, one()))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_open == [True]
    assert nothing_is_left(tmp_path)


async def test_files_of_any_type_arrive_whole(http: httpx.AsyncClient, where: Running) -> None:
    content = os.urandom(300_000)
    headers = {"Authorization": f"Bearer {where.first_token}", "Content-Type": "application/octet-stream"}
    stored = await http.post(f"{API}/models/files", content=content, headers=headers)
    assert stored.status_code == 201
    assert stored.json() == {"digest": hashlib.sha256(content).hexdigest(), "bytes": 300_000}
    empty = await http.post(f"{API}/models/files", content=b"", headers=headers)
    assert empty.status_code == 422


async def test_strangers_are_refused_before_anything_is_written(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[IO[bytes]] = []
    monkeypatch.setattr("lwm2m_ml.api.uploads.tempfile.TemporaryFile", opened.append)
    answer = await http.post(f"{API}/models/files", content=bytes(1_000))
    assert answer.status_code == 401
    assert opened == []
