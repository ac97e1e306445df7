"""Explaining a variant on a target: what each layer costs, how the memory is laid out, and the module as files."""

from typing import Any

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.jobs import Progress
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.artefacts import ArtefactRepository

KIND = "explanation"


class Explaining:
    """The work of one explanation. Raises `NotFoundError` at once for what is not there to be compiled."""

    def __init__(
        self, zoo: Zoo, builder: Builder, files: ArtefactRepository, wanted: tuple[str, str | None, str], target: str
    ) -> None:
        """`wanted` is a model, its version (or None) and its variant."""
        self._model = zoo.get(*wanted[:2])
        self._variant = self._model.variant(wanted[2])
        self._target = load_target(target)
        self._builder = builder
        self._files = files

    @property
    def subject(self) -> str:
        """What is explained, for people."""
        return f"{self._model.name} {self._model.version}: {self._variant.name} for {self._target.name}"

    async def __call__(self, progress: Progress) -> dict[str, Any]:
        """Compile, measure layer by layer, and keep the module's files; the answer names them by their digest."""
        progress(0.1, "compiling, and measuring each layer")
        answer = await self._builder.explain(self._model, self._variant, self._target)
        progress(0.9, "keeping the module")
        digest = await self._files.put(answer.archive)
        return {**answer.facts, "variant": self._variant.name, "archive": digest, "archive_bytes": len(answer.archive)}


async def archive_of(files: ArtefactRepository, digest: str) -> bytes:
    """Return the files of an explained module as a ZIP archive; raises `NotFoundError`."""
    content = await files.get(digest)
    if content is None or not content.startswith(b"PK"):
        raise NotFoundError(f"There is no module {digest[:12]}…", hint="Compile it again")
    return content
