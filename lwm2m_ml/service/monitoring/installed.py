"""Which module of this service runs in a slot of a device, as it was last told."""

from collections import Counter

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
        for record in await self._repository.all():
            module = await self.find(bytes.fromhex(record.module_digest))
            if module is not None:
                self.put(record.endpoint, record.slot, module)

    def put(self, endpoint: str, slot: int, module: KnownModule) -> None:
        """Note what a device told."""
        slots = self._modules.setdefault(endpoint, {})
        if slot in slots:
            self._running[_release(slots[slot])] -= 1
        slots[slot] = module
        self._running[_release(module)] += 1

    def forget(self, endpoint: str) -> None:
        """Forget a device that left."""
        for module in self._modules.pop(endpoint, {}).values():
            self._running[_release(module)] -= 1

    def runs_somewhere(self, model: str, version: str) -> bool:
        """Whether a device is known to run a version of a model."""
        return self._running[model, version] > 0

    def module(self, endpoint: str, slot: int) -> KnownModule | None:
        """Return the module in a slot; None when it is not known."""
        return self._modules.get(endpoint, {}).get(slot)


def _release(module: KnownModule) -> tuple[str, str]:
    return module.model, module.version
