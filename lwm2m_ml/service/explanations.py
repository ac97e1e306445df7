"""Explaining a variant on a target: what each layer costs, how the memory is laid out, and the module as files."""

import time
from typing import Any

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.jobs import RETENTION, Progress
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.explanation_archives import ExplanationArchiveRepository

KIND = "explanation"


class Explaining:
    """The work of one explanation. Raises `NotFoundError` at once for what is not there to be compiled."""

    def __init__(
        self,
        zoo: Zoo,
        builder: Builder,
        archives: ExplanationArchiveRepository,
        wanted: tuple[str, str | None, str],
        target: str,
    ) -> None:
        """`wanted` is a model, its version (or None) and its variant."""
        self._model = zoo.get(*wanted[:2])
        self._variant = self._model.variant(wanted[2])
        self._target = load_target(target)
        self._builder = builder
        self._archives = archives

    @property
    def subject(self) -> str:
        """What is explained, for people."""
        return f"{self._model.name} {self._model.version}: {self._variant.name} for {self._target.name}"

    async def __call__(self, progress: Progress) -> dict[str, Any]:
        """Compile, measure layer by layer, and keep the module's files; the answer names them by their digest."""
        progress(0.1, "compiling, and measuring each layer")
        answer = await self._builder.explain(self._model, self._variant, self._target)
        progress(0.9, "keeping the module")
        await forget_old(self._archives)
        digest = await self._archives.put(answer.archive)
        return {**answer.facts, "variant": self._variant.name, "archive": digest, "archive_bytes": len(answer.archive)}


async def archive_of(archives: ExplanationArchiveRepository, digest: str) -> bytes:
    """Return the files of an explained module as a ZIP archive; raises `NotFoundError`."""
    content = await archives.get(digest)
    if content is None:
        raise NotFoundError(f"There is no module {digest[:12]}…", hint="Compile it again")
    return content


async def forget_old(archives: ExplanationArchiveRepository) -> None:
    """Forget the archives that are older than a job that names them may be."""
    await archives.delete_before(time.time() - RETENTION)
