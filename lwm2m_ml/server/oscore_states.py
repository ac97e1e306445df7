"""The store as OSCORE contexts see it."""

from lwm2m_ml.coap.oscore import ReplayState
from lwm2m_ml.store.oscore_contexts import OscoreContextRepository


class StoredOscoreStates:
    """Sequence numbers and replay windows that survive a restart (RFC 8613 §7.5, Appendix B.1)."""

    def __init__(self, repository: OscoreContextRepository) -> None:
        self._repository = repository

    async def reserve(self, context: str, count: int) -> int:
        """Count this many sequence numbers as used, before they are; returns the first."""
        return await self._repository.reserve(context, count)

    async def take_replay_state(self, context: str) -> ReplayState | None:
        """The window as it was saved; None when it was not saved since it was taken."""
        window = await self._repository.take_window(context)
        return None if window is None else ReplayState(*window)

    async def save_replay_state(self, context: str, state: ReplayState) -> None:
        """Keep a window until it is taken again."""
        await self._repository.save_window(context, (state.highest, state.seen))
