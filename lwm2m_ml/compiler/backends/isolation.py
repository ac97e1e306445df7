"""Runs a backend that is not ours in a process of its own, within limits of time and memory, and names what it did.

The process gets the request as a pickle, which only we write, and answers with JSON, which is checked like any other
data from outside. Whatever it started ends with it.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lwm2m_ml.compiler.backends.exchange import (
    ANSWER_FILE,
    ERROR_FILE,
    LOG_FILE,
    MEMORY,
    REFUSED,
    REQUEST_FILE,
    WorkerError,
)
from lwm2m_ml.compiler.backends.interface import Declaration, Payload, Request
from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError

_WORKER = "lwm2m_ml.compiler.backends.worker"
_SHOWN = 300
# What a compiler may need to find its own parts; nothing else of our environment is its business.
_ENVIRONMENT = frozenset(
    [
        "PATH",
        "HOME",
        "USERPROFILE",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "LANG",
        "LC_ALL",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "LWM2M_ML_CACHE",
        "XDG_CACHE_HOME",
        "LOCALAPPDATA",
    ]
)
_Answer = TypeVar("_Answer", Declaration, Payload)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Declaration, Payload)}


class BackendFailed(Lwm2mMlError):
    """A backend crashed, hung, ran out of memory, or answered what cannot be used; its name is in the sentence."""

    def __init__(self, backend: str, what: str, *, hint: str = "Report it to whoever wrote the backend") -> None:
        super().__init__(f"The backend {backend} {what}", hint=hint)
        self.backend = backend


class BackendRefused(InvalidInputError):
    """A backend said that it cannot compile a model."""

    def __init__(self, backend: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"The backend {backend} refuses: {why}", hint=hint)
        self.backend = backend


@dataclass(frozen=True, slots=True)
class Limits:
    """What a backend may take: seconds of wall clock and of processor, bytes of memory, bytes of one file."""

    seconds: float = 300.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 256 << 20


DEFAULT_LIMITS = Limits()


def declaration_of(name: str, limits: Limits = DEFAULT_LIMITS) -> Declaration:
    """What an installed backend declares; raises BackendFailed."""
    return _call(name, None, Declaration, limits)


def build_isolated(name: str, request: Request, limits: Limits = DEFAULT_LIMITS) -> Payload:
    """The payload that an installed backend makes; raises BackendFailed or BackendRefused."""
    return _call(name, request, Payload, limits)


def _call(name: str, request: Request | None, kind: type[_Answer], limits: Limits) -> _Answer:
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
        work = Path(directory)
        (work / REQUEST_FILE).write_bytes(pickle.dumps(request))
        code = _run(name, work, limits)
        if code is None:
            raise BackendFailed(name, f"took longer than {limits.seconds:g} s and was stopped")
        if (work / ERROR_FILE).exists():
            raise _told(name, work, limits)
        if code != 0:
            raise BackendFailed(name, _how_it_ended(code, limits) + _last_words(work))
        return _answer(name, work, kind, limits)


def _run(name: str, work: Path, limits: Limits) -> int | None:
    """The process's exit code, negative for a signal; None when it had to be stopped."""
    command = [sys.executable, "-m", _WORKER, str(work), name]
    command += [str(limits.memory_bytes), str(limits.file_bytes), str(limits.seconds)]
    environment = {key: value for key, value in os.environ.items() if key in _ENVIRONMENT}
    with (work / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            return process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and everything that it started and left."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _told(name: str, work: Path, limits: Limits) -> Lwm2mMlError:
    """What the worker said before it ended in order."""
    try:
        error = TypeAdapter(WorkerError).validate_json(_content(work / ERROR_FILE, limits))
    except ValidationError:
        return BackendFailed(name, "answered what nobody can read")
    if error.kind == REFUSED:
        return BackendRefused(name, error.message[:_SHOWN], hint=error.hint[:_SHOWN])
    if error.kind == MEMORY:
        return BackendFailed(name, f"wanted more than {limits.memory_bytes >> 20:,} MiB of memory")
    return BackendFailed(name, f"failed: {error.message[:_SHOWN]}")


def _how_it_ended(code: int, limits: Limits) -> str:
    if code >= 0:
        return f"ended with code {code} and without an answer"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGXCPU":
        return f"took more than {limits.seconds:g} s of processor time and was stopped"
    if name == "SIGXFSZ":
        return f"wrote a file of more than {limits.file_bytes >> 20:,} MiB and was stopped"
    return f"crashed ({name}; it may use {limits.memory_bytes >> 20:,} MiB of memory)"


def _last_words(work: Path) -> str:
    """The last line that the process printed."""
    with (work / LOG_FILE).open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - 4 * _SHOWN))
        lines = log.read().decode("utf-8", "replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1][:_SHOWN]}" if said else ""


def _answer(name: str, work: Path, kind: type[_Answer], limits: Limits) -> _Answer:
    try:
        answer: _Answer = _ADAPTERS[kind].validate_json(_content(work / ANSWER_FILE, limits))
    except FileNotFoundError:
        raise BackendFailed(name, "ended without an answer" + _last_words(work)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BackendFailed(name, f"answered no {kind.__name__}: {place}: {first['msg']}"[:_SHOWN]) from None
    return answer


def _content(path: Path, limits: Limits) -> bytes:
    with path.open("rb") as file:
        return file.read(limits.file_bytes)
