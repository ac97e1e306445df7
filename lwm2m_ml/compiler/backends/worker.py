"""The process in which a backend runs: `python -m lwm2m_ml.compiler.backends.worker`, with the arguments of its end.

It limits itself before it loads anything of the backend's.
"""

import math
import pickle
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lwm2m_ml.compiler.backends.exchange import (
    ANSWER_FILE,
    DEFECT,
    ERROR_FILE,
    MEMORY,
    REFUSED,
    REQUEST_FILE,
    WorkerError,
)
from lwm2m_ml.compiler.backends.interface import Declaration, Payload, Request
from lwm2m_ml.compiler.backends.registry import entries
from lwm2m_ml.errors import Lwm2mMlError


def limit(memory_bytes: int, file_bytes: int, seconds: float) -> None:
    """Bound what this process, and each that it starts, may take."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    # Private writable memory: address space that is only reserved does not count.
    _at_most(resource.RLIMIT_DATA, memory_bytes)
    _at_most(resource.RLIMIT_FSIZE, file_bytes)
    _at_most(resource.RLIMIT_CPU, math.ceil(seconds))
    _at_most(resource.RLIMIT_CORE, 0)


def _at_most(kind: int, wanted: int) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, hard))


def load(name: str) -> Any:
    """The backend of an entry point; a class is called."""
    backend = entries()[name].load()
    return backend() if isinstance(backend, type) else backend


def answer(name: str, request: Request | None) -> bytes:
    """The answer as JSON: the declaration where there is no request, else the payload."""
    backend = load(name)
    made = backend.declaration if request is None else backend.build(request)
    kind = Declaration if request is None else Payload
    if not isinstance(made, kind):
        raise TypeError(f"it answered {type(made).__name__} instead of {kind.__name__}")
    return TypeAdapter(kind).dump_json(made)


def main(directory: Path, name: str) -> None:
    """Answer the request that lies in the directory."""
    request = pickle.loads((directory / REQUEST_FILE).read_bytes())  # noqa: S301 - the compiler wrote it a moment ago
    try:
        (directory / ANSWER_FILE).write_bytes(answer(name, request))
    except Lwm2mMlError as error:
        _tell(directory, WorkerError(REFUSED, error.message, error.hint))
    except MemoryError:
        _tell(directory, WorkerError(MEMORY, "out of memory"))
    except Exception as error:
        _tell(directory, WorkerError(DEFECT, f"{type(error).__name__}: {error}"))


def _tell(directory: Path, error: WorkerError) -> None:
    (directory / ERROR_FILE).write_bytes(TypeAdapter(WorkerError).dump_json(error))


if __name__ == "__main__":
    limit(int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    main(Path(sys.argv[1]), sys.argv[2])
