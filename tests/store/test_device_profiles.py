"""Profiles are documents by endpoint."""

import json

from lwm2m_ml.store import Store


async def test_a_profile_reads_back_replaced_and_deleted(store: Store) -> None:
    await store.device_profiles.put("ep", {"target": "cortex-m4f", "slots": 2})
    await store.device_profiles.put("ep", {"target": "cortex-m7", "nested": {"a": [1, 2]}})
    assert await store.device_profiles.get("ep") == {"target": "cortex-m7", "nested": {"a": [1, 2]}}
    (written,) = [one async for one in store.device_profiles.texts()]
    assert (written[0], json.loads(written[1])) == ("ep", {"target": "cortex-m7", "nested": {"a": [1, 2]}})
    await store.device_profiles.delete("ep")
    assert await store.device_profiles.get("ep") is None
