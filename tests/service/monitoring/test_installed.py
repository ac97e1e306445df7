"""Which module runs where, as it was told."""

from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModule
from lwm2m_ml.store import Store
from lwm2m_ml.store.watched_models import WatchedModelRecord

OLD, NEW = KnownModule("motion", "1.0.0"), KnownModule("motion", "1.1.0")
DIGEST = "ab" * 32


async def find(digest: bytes) -> KnownModule | None:
    return OLD if digest.hex() == DIGEST else None


async def test_what_was_told_last_counts(store: Store) -> None:
    installed = Installed(store.watched_models, find)
    assert installed.put("a", {0: OLD})
    assert installed.put("b", {0: OLD})
    assert installed.put("a", {1: NEW})
    assert not installed.put("a", {1: NEW})
    assert installed.module("a", 1) == NEW
    assert installed.module("a", 0) is None, "the module in the other slot stands by"
    assert installed.runs_somewhere("motion", "1.0.0")
    installed.forget("b")
    assert not installed.runs_somewhere("motion", "1.0.0")
    assert installed.module("b", 0) is None


async def test_what_was_known_before_a_restart_is_known_after_it(store: Store) -> None:
    store.watched_models.put(WatchedModelRecord("a", 1, DIGEST, {}, {}, 1.0))
    await store.watched_models.put(WatchedModelRecord("b", 0, "cd" * 32, {}, {}, 1.0))
    installed = Installed(store.watched_models, find)
    await installed.start()
    assert installed.module("a", 1) == OLD
    assert installed.module("b", 0) is None
    assert installed.runs_somewhere("motion", "1.0.0")
