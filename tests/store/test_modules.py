"""Modules by digest and by build key."""

from dataclasses import replace

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.modules import ModuleRecord

MODULE = ModuleRecord(
    "aa" * 32, "key", "digits", "1.0.0", "small", "cortex-m4f", {"flash_bytes": 9000}, "bb" * 32, created_at=1.0
)


async def test_a_module_is_found_by_digest_and_by_key(store: Store) -> None:
    await store.modules.put(MODULE)
    assert await store.modules.get(MODULE.digest) == MODULE
    assert await store.modules.by_key("key") == MODULE
    assert await store.modules.by_key("other") is None
    assert await store.modules.all() == (MODULE,)


async def test_one_key_has_one_module(store: Store) -> None:
    await store.modules.put(MODULE)
    with pytest.raises(RecordConflict):
        await store.modules.put(replace(MODULE, digest="cc" * 32))


async def test_signed_modules_are_found_by_their_sequence_numbers(store: Store) -> None:
    for number in (7, 8):
        signed = {"sequence_number": number}
        await store.modules.put(replace(MODULE, digest=f"{number:064}", key=str(number), facts=signed))
    await store.modules.put(MODULE)
    found = await store.modules.by_sequence_numbers([8, 7, 99])
    assert sorted(one.facts["sequence_number"] for one in found) == [7, 8]
    assert await store.modules.by_sequence_numbers([]) == ()
