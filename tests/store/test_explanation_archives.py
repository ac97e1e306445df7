"""Archives of explanations live under their digest, for a while."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable

from lwm2m_ml.store import Store
from lwm2m_ml.store.migrate import upgrade


async def test_an_archive_comes_back_by_its_digest_until_it_is_old(
    store: Store, set_clock: Callable[[float], None]
) -> None:
    digest = await store.explanation_archives.put(b"PK old")
    assert digest == hashlib.sha256(b"PK old").hexdigest()
    set_clock(1_000.0)
    newer = await store.explanation_archives.put(b"PK new")
    assert await store.explanation_archives.get(digest) == b"PK old"
    await store.explanation_archives.delete_before(time.time() - 500.0)
    assert await store.explanation_archives.get(digest) is None
    assert await store.explanation_archives.get(newer) == b"PK new"


async def test_an_archive_that_is_put_again_is_new_again(store: Store, set_clock: Callable[[float], None]) -> None:
    digest = await store.explanation_archives.put(b"PK")
    set_clock(1_000.0)
    assert await store.explanation_archives.put(b"PK") == digest
    await store.explanation_archives.delete_before(time.time() - 500.0)
    assert await store.explanation_archives.get(digest) == b"PK"


async def test_archives_of_earlier_releases_move_and_other_artefacts_stay(url: str) -> None:
    await upgrade(url, "0019")
    with sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///")) as connection:
        for digest in ("a" * 64, "b" * 64):
            connection.execute("INSERT INTO artefacts VALUES (?, ?, ?)", (digest, digest.encode(), 1.0))
        for name, result in (("done", {"archive": "a" * 64}), ("failed", None)):
            values = (name, "explanation", "", "", name, 1.0, json.dumps(result), "", 2.0)
            columns = "id, kind, subject, caller, state, created_at, result, error, ended_at"
            connection.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    connection.close()
    store = await Store.open(url)
    assert await store.explanation_archives.get("a" * 64) == b"a" * 64
    assert await store.artefacts.get("a" * 64) is None
    assert await store.artefacts.get("b" * 64) == b"b" * 64
    await store.close()
