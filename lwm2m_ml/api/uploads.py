"""Bodies that are files: each goes to the disk as it comes, so that uploads take no memory while they travel."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, TypeVar

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lwm2m_ml.api.middleware.bodies import HANG_UP
from lwm2m_ml.errors import InvalidInputError, UnavailableError

Answer = TypeVar("Answer")

FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""How OpenAPI describes a body that is a file; routes that take one give it as `openapi_extra`."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A body on the disk: its size in bytes and its SHA-256 digest in hexadecimal."""

    size: int
    digest: str
    _file: IO[bytes]
    _turn: asyncio.Lock

    @asynccontextmanager
    async def content(self) -> AsyncIterator[bytes]:
        """The whole body, for a database that takes it in one piece; one at a time is in memory."""
        async with self._turn:
            yield await _in_thread(self._file.read)


class Uploads:
    """Receives bodies into files in a directory; the files have no names, and end with their requests."""

    def __init__(self, directory: Path) -> None:
        """`directory` should be on a disk: where temporary files go otherwise is memory on many systems."""
        self._directory = directory
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterable[bytes], largest: int) -> AsyncIterator[Upload]:
        """Write a body of 1 to `largest` bytes down, hashing it on the way.

        Raises `InvalidInputError` for an empty one, `UnavailableError` when the disk does not take it, and the HTTP
        errors 413 for one that is too large and 400 when the client goes away.
        """
        with _told():
            opened = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed below
        with opened as file:
            with _told():
                size, digest = await _write(chunks, file, largest)
                file.seek(0)
            yield Upload(size, digest, file, self._turn)


@contextmanager
def _told() -> Iterator[None]:
    """Say what ends an upload early."""
    try:
        yield
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The upload ended early") from None
    except OSError as error:
        raise UnavailableError(f"The upload cannot be kept ({error.strerror or error})") from error


async def _write(chunks: AsyncIterable[bytes], file: IO[bytes], largest: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    async for chunk in chunks:
        size += len(chunk)
        if size > largest:
            detail = f"The file is larger than {largest:,} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, HANG_UP)
        digest.update(chunk)
        await _in_thread(_write_all, file, chunk)
    if not size:
        raise InvalidInputError("The body is empty", hint="Send the file as it is")
    return size, digest.hexdigest()


async def _in_thread(function: Callable[..., Answer], *arguments: object) -> Answer:
    """Run a function in a thread to its end, even for a caller that is cancelled: it closes the file then."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _write_all(file: IO[bytes], chunk: bytes) -> None:
    """A disk that is nearly full takes a part first, and refuses the rest."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def uploaded(largest: int) -> Any:
    """The body of a request as a parameter of a route: an `Upload` of at most `largest` bytes."""

    async def body(request: Request) -> AsyncIterator[Upload]:
        uploads: Uploads = request.app.state.uploads
        async with uploads.receive(request.stream(), largest) as upload:
            yield upload

    return Depends(body)
