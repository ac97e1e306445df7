"""Artefacts live under their digest."""

import hashlib

from lwm2m_ml.store import Store


async def test_bytes_come_back_by_their_sha256(store: Store) -> None:
    content = bytes(range(256)) * 500
    digest = await store.artefacts.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert await store.artefacts.put(content) == digest
    assert await store.artefacts.get(digest) == content
    assert await store.artefacts.get("00" * 32) is None
    assert await store.artefacts.has(digest)
    assert not await store.artefacts.has("00" * 32)
