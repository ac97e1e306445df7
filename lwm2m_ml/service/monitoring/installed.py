"""Which module of this service runs in a slot of a device, as it was last told."""

from collections import Counter
from collections.abc import Mapping

from lwm2m_ml.service.monitoring.known_modules import Find, KnownModule
from lwm2m_ml.store.watched_models import WatchedModelRepository


class Installed:
    """Modules by endpoint and slot; what was known before a restart is known after it."""

    def __init__(self, repository: WatchedModelRepository, find: Find) -> None:
        self._repository = repository
        self.find = find
        self._modules: dict[str, dict[int, KnownModule]] = {}
        self._running: Counter[tuple[str, str]] = Counter()

    async def start(self) -> None:
        """Load what is known."""
        found: dict[str, dict[int, KnownModule]] = {}
        for record in await self._repository.all():
            module = await self.find(bytes.fromhex(record.module_digest))
            if module is not None:
                found.setdefault(record.endpoint, {})[record.slot] = module
        for endpoint, modules in found.items():
            self.put(endpoint, modules)

    def put(self, endpoint: str, modules: Mapping[int, KnownModule]) -> bool:
        """Note all that a device told it runs, by slot; returns whether that is news."""
        before = self._modules.get(endpoint, {})
        if before == modules:
            return False
        self._running.subtract(map(_release, before.values()))
        self._running.update(map(_release, modules.values()))
        self._modules[endpoint] = dict(modules)
        return True

    def forget(self, endpoint: str) -> None:
        """Forget a device that left."""
        self.put(endpoint, {})
        self._modules.pop(endpoint, None)

    def runs_somewhere(self, model: str, version: str) -> bool:
        """Whether a device is known to run a version of a model."""
        return self._running[model, version] > 0

    def module(self, endpoint: str, slot: int) -> KnownModule | None:
        """Return the module in a slot; None when it is not known."""
        return self._modules.get(endpoint, {}).get(slot)


def _release(module: KnownModule) -> tuple[str, str]:
    return module.model, module.version
