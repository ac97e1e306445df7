"""Results that wait for a look into the store: after a restart those of the whole fleet may, so many share a look."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from lwm2m_ml.service.monitoring.results import InferenceResult
from lwm2m_ml.store.commit import Commit

DEVICES_PER_LOOK = 200

Results = Sequence[InferenceResult]


class Looks:
    """One look at a time, each for some devices, first come first served; results of one device keep their order."""

    def __init__(
        self, learn: Callable[[Sequence[Results]], Awaitable[None]], keep: Callable[[Results], Commit | None]
    ) -> None:
        """`learn` finds out what is needed to `keep` these messages; it is called again when it fails."""
        self._learn = learn
        self._keep = keep
        self._waiting: dict[str, list[tuple[Results, Commit]]] = {}
        self._looked_for: dict[str, list[tuple[Results, Commit]]] = {}
        self._looking: asyncio.Task[None] | None = None

    def __contains__(self, endpoint: str) -> bool:
        """Whether results of a device wait."""
        return endpoint in self._waiting or endpoint in self._looked_for

    def keep(self, endpoint: str, results: Results) -> Commit:
        """Keep the results of a message when it is known what they need."""
        commit = Commit()
        self._waiting.setdefault(endpoint, []).append((results, commit))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return commit

    async def stop(self) -> None:
        """Give up; what waits is answered by nobody, and sent again."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def _look(self) -> None:
        try:
            while self._waiting:
                for endpoint in list(islice(self._waiting, DEVICES_PER_LOOK)):
                    self._looked_for[endpoint] = self._waiting.pop(endpoint)
                await self._look_for([one for messages in self._looked_for.values() for one in messages])
                self._looked_for.clear()
        finally:
            self._looking = None

    async def _look_for(self, messages: Sequence[tuple[Results, Commit]]) -> None:
        try:
            await self._learn([results for results, _ in messages])
        except Exception as error:
            for _, commit in messages:
                commit.settle(error)
            return
        for results, commit in messages:
            self._keep_one(results, commit)

    def _keep_one(self, results: Results, commit: Commit) -> None:
        try:
            written = self._keep(results)
        except Exception as error:
            commit.settle(error)
            return
        if written is None:
            commit.settle()
        else:
            written.then(commit.settle)
