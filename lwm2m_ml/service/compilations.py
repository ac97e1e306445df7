"""Compiling ahead of a deployment: one variant of a model for one target, as a job."""

from typing import Any

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.jobs import Progress
from lwm2m_ml.service.zoo.zoo import Zoo

KIND = "compilation"


class Compilation:
    """The work of one compilation. Raises `NotFoundError` at once for what is not there to be compiled."""

    def __init__(self, zoo: Zoo, builder: Builder, model: str, variant: str, target: str) -> None:
        self._model = zoo.get(model)
        self._variant = self._model.variant(variant)
        self._target = load_target(target)
        self._builder = builder

    @property
    def subject(self) -> str:
        """What is compiled, for people."""
        return f"{self._model.name} {self._model.version}: {self._variant.name} for {self._target.name}"

    async def __call__(self, progress: Progress) -> dict[str, Any]:
        """Compile, and return the facts that were measured."""
        progress(0.0, "compiling and measuring")
        build = await self._builder.build(self._model, self._variant, self._target)
        return {"build": build.key, "variant": self._variant.name, "payload_bytes": len(build.payload)} | (
            build.facts.to_json()
        )
