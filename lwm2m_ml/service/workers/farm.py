"""A compile farm: the functions that worker processes would run here go to a Dask scheduler's workers.

Work is named by its content, so that nodes that ask for the same compilation at the same time get one. A worker that is
lost has its work given to another by the scheduler. On the worker every piece of work runs in a process of its own with
limits of time and memory, so that the worker outlives what it is given. A scheduler runs what it is sent: it is asked
over TLS with client certificates, or on this machine.
"""

import asyncio
import threading
import warnings
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog

from lwm2m_ml import __version__
from lwm2m_ml.errors import MissingExtraError, UnavailableError, UsageError
from lwm2m_ml.exposure import Certificates, is_loopback
from lwm2m_ml.service.workers.executor import DEFAULT_MEMORY_LIMIT, DEFAULT_TIME_LIMIT, Place, WorkerFailed
from lwm2m_ml.service.workers.failures import Failure

try:
    from dask.base import tokenize
    from distributed import Client, Future, Security
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker
except ModuleNotFoundError as error:
    raise MissingExtraError("What speaks to compile farms", "cluster") from error

Result = TypeVar("Result")

CONNECT_SECONDS = 10.0
LOST = "lost with the farm's scheduler"

log = structlog.get_logger(__name__)


def check_exposure(address: str, certificates: Certificates) -> None:
    """Raise `UsageError` when others than this machine could send the farm programs, or see what it is sent."""
    parts = urlsplit(address)
    if parts.scheme not in {"tcp", "tls"} or not parts.hostname or not parts.port:
        raise UsageError(f"{address!r} is no address of a compile farm", hint="Give one like tls://farm.example:8786")
    if parts.scheme == "tls" and not certificates.complete:
        raise UsageError(
            f"The compile farm at {address} is asked without certificates",
            hint="Give --cluster-ca, --cluster-certificate and --cluster-private-key",
        )
    if parts.scheme == "tcp" and not is_loopback(parts.hostname):
        raise UsageError(
            f"The compile farm at {address} would take programs from anyone on its network",
            hint="Use tls:// with certificates; tcp:// is for this machine",
        )


class CompileFarm:
    """The workers of a Dask scheduler. It is connected to when there is work, and anew after it was lost."""

    def __init__(
        self,
        address: str,
        certificates: Certificates,
        *,
        time_limit: float = DEFAULT_TIME_LIMIT,
        memory_limit: int = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        """Raises `UsageError`, see `check_exposure`."""
        check_exposure(address, certificates)
        self._address = address
        self._security = _security(certificates) if address.startswith("tls:") else None
        self._limits = time_limit, memory_limit
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def run(self, function: Callable[..., Result], *arguments: Any, what: str) -> Result:
        """Run `function` on the farm. Raises what it raises, `WorkerFailed`, or `UnavailableError` without a farm."""
        client = await self._connected()
        future = _submit(client, function, arguments, self._limits)
        try:
            answer = await future.result()
        except FutureCancelledError:
            raise WorkerFailed(f"{what} was {LOST}", hint="It is tried again with the next attempt") from None
        except KilledWorker:
            raise WorkerFailed(
                f"{what} failed: the workers that were given it died", hint="See the logs of the farm's workers"
            ) from None
        finally:
            future.release()
        if isinstance(answer, Failure):
            if answer.kind == WorkerFailed.__name__:
                raise WorkerFailed(f"{what} {answer.message}", hint=answer.hint)
            raise answer.to_error(what)
        result: Result = answer
        return result

    async def stop(self) -> None:
        """Let go of the farm; what nobody else waits for is given up."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is not None and self._client.status == "running":
                return self._client
            await self.stop()
            try:
                self._client = await Client(
                    self._address,
                    asynchronous=True,
                    security=self._security,
                    timeout=CONNECT_SECONDS,
                    set_as_default=False,
                    name="lwm2m-ml",
                )
            except OSError as error:
                raise UnavailableError(
                    f"The compile farm at {self._address} does not answer", hint="Start it with: dask scheduler"
                ) from error
            log.info("compile farm", address=self._address, workers=len(self._client.scheduler_info()["workers"]))
            return self._client


def _submit(
    client: Client, function: Callable[..., Any], arguments: tuple[Any, ...], limits: tuple[float, int]
) -> Future:
    named = tokenize(f"{function.__module__}.{function.__qualname__}", __version__, *arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # models are large, and travel once
        return client.submit(run_limited, function, arguments, *limits, key=f"{function.__name__}-{named}")


def _security(certificates: Certificates) -> Security:
    return Security(
        tls_ca_file=certificates.authority,
        tls_client_cert=certificates.certificate,
        tls_client_key=certificates.private_key,
        require_encryption=True,
    )


# What follows runs in the farm's workers

_places = threading.local()
_starting = threading.Lock()


def run_limited(function: Callable[..., Any], arguments: tuple[Any, ...], time_limit: float, memory_limit: int) -> Any:
    """Run a function in this thread's own process; one that takes too much time or memory is ended."""
    place = _place(memory_limit)
    with _starting:  # a place knows its process by what was not there before
        future = place.submit(function, *arguments)
    try:
        return future.result(time_limit)
    except TimeoutError:
        place.kill()
        return Failure(
            WorkerFailed.__name__, f"took longer than {time_limit:g} s and was stopped", "Try a smaller model"
        )
    except BrokenProcessPool:
        place.kill()
        hint = "It may have run out of memory; see the worker's log"
        return Failure(WorkerFailed.__name__, "failed: the worker process died", hint)


def _place(memory_limit: int) -> Place:
    known: dict[int, Place] = _places.__dict__.setdefault("by_limit", {})
    if memory_limit not in known:
        known[memory_limit] = Place(memory_limit)
    return known[memory_limit]
