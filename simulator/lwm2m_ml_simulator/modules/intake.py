"""How a package gets into a slot: pulled or pushed into flash, then verified. Objects 5 and 9 both stand on it."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from hashlib import sha256

import structlog

from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.errors import SimulatorError, StorageFull
from lwm2m_ml_simulator.memory.flash import PowerCut
from lwm2m_ml_simulator.modules.download import Download
from lwm2m_ml_simulator.modules.fetching import DownloadFailed, DownloadProblem
from lwm2m_ml_simulator.modules.modules import ModuleManager
from lwm2m_ml_simulator.modules.reception import Reception
from lwm2m_ml_simulator.modules.staging import Source, Staging

_log = structlog.get_logger(__name__)


class Phase(Enum):
    """How far a package is."""

    IDLE = auto()
    DOWNLOADING = auto()
    DOWNLOADED = auto()
    DELIVERED = auto()


class Intake:
    """The intake of one slot: `problem` says why the last package stayed out, `on_change` is called at each step.

    `expected_digest` tells the SHA-256 that a server said the whole package has, if one did.
    """

    def __init__(
        self,
        modules: ModuleManager,
        staging: Staging,
        download: Callable[[Reception], Download],
    ) -> None:
        self.number = staging.number
        self.problem: DownloadProblem | ModuleResult | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.expected_digest: Callable[[], bytes | None] = lambda: None
        self._modules = modules
        self._staging = staging
        profile = modules.profile
        self._reception = Reception(
            staging, modules.verifier, profile.decoders, head_bytes=profile.manifest_buffer_bytes
        )
        self._download = download
        self._task: asyncio.Task[None] | None = None
        self._log = _log.bind(endpoint=modules.profile.endpoint, slot=self.number)

    @property
    def phase(self) -> Phase:
        """Where the package is, as flash and journal say: so it is right after a reboot too."""
        state = self._modules.slot(self.number).state
        if state not in {ModuleState.EMPTY, ModuleState.FAILED}:
            return Phase.DELIVERED
        if state is ModuleState.FAILED or self._staging.source is None:
            return Phase.IDLE
        if self.problem is not None:
            return Phase.IDLE
        return Phase.DOWNLOADED if self._staging.is_complete else Phase.DOWNLOADING

    def pull(self, uri: str) -> None:
        """Begin to fetch a package; goes on where an earlier attempt at the same URI ended."""
        self.stop()
        self._make_room()
        if self._staging.source is None or self._staging.source.uri != uri:
            self._reception.begin(Source(uri))
        self._run(uri)

    def push(self, package: bytes) -> None:
        """Take in a package that a server wrote."""
        self.stop()
        self._make_room()
        try:
            self._reception.begin(Source("", None, len(package)))
            self._reception.append(package)
            self._take_over()
        except StorageFull:
            self._failed(DownloadProblem.STORAGE)
        except ModuleRejected as rejection:
            self._failed(rejection.result)

    def resume(self) -> None:
        """Go on after a reboot with what was under way."""
        source = self._staging.source
        if source is not None and self.phase is Phase.DELIVERED:
            self._staging.forget()
            self.on_change()
        elif source is not None and self._staging.is_complete:
            self._finish()
        elif source is not None and source.uri:
            self._log.info("download_resumed", received=self._staging.received)
            self._run(source.uri)
        elif source is not None:  # What was being pushed when the power failed has to be pushed again.
            self._staging.forget()
            self.on_change()

    def discard(self) -> None:
        """Forget what was fetched or delivered; the slot is empty then."""
        self.stop()
        self.problem = None
        self._modules.clear(self.number)
        self._staging.forget()
        self.on_change()

    def stop(self) -> None:
        """Stop fetching, without forgetting what has arrived."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _make_room(self) -> None:
        self.problem = None
        if self._modules.slot(self.number).state is not ModuleState.EMPTY:
            self._modules.clear(self.number)
            self._staging.forget()

    def _run(self, uri: str) -> None:
        self._task = asyncio.create_task(self._fetch(uri), name=f"{self._modules.profile.endpoint} download")
        self.on_change()

    async def _fetch(self, uri: str) -> None:
        try:
            await self._download(self._reception).run(uri)
            self._log.info("package_downloaded", package_bytes=self._staging.received)
            self._take_over()
        except ModuleRejected as rejection:
            self._failed(rejection.result)
        except DownloadFailed as failure:
            self._log.warning("download_failed", reason=failure.message)
            self._failed(failure.problem)
        except StorageFull as error:
            self._log.warning("slot_full", reason=error.message)
            self._failed(DownloadProblem.STORAGE)
        except SimulatorError as error:
            self._log.error("download_broke", reason=error.message)
            self._failed(DownloadProblem.DEVICE_ERROR)
        except PowerCut:
            return

    def _finish(self) -> None:
        """All of the package was in flash when the power failed."""
        try:
            self._take_over()
        except StorageFull:
            self._failed(DownloadProblem.STORAGE)
        except ModuleRejected as rejection:
            self._failed(rejection.result)

    def _take_over(self) -> None:
        """The package is here: if it is good, the slot is staged."""
        verified = self._reception.finish()
        expected = self.expected_digest()
        if expected is not None and sha256(self._staging.contents()).digest() != expected:
            raise ModuleRejected(ModuleResult.DIGEST_MISMATCH, "The package is not the one that was announced")
        self.on_change()
        self._modules.stage(self.number, self._reception.staged(), verified.descriptor)
        self.on_change()
        self._staging.forget()

    def _failed(self, problem: DownloadProblem | ModuleResult) -> None:
        self.problem = problem
        if problem is DownloadProblem.STORAGE:
            self._modules.reject(self.number, ModuleResult.STORAGE_TOO_SMALL)
        elif isinstance(problem, ModuleResult):
            self._modules.reject(self.number, problem)
        if problem is not DownloadProblem.CONNECTION_LOST:  # Only then what has arrived is worth keeping.
            self._staging.forget()
        self.on_change()
