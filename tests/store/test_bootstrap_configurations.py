"""Bootstrap configurations by pattern."""

from lwm2m_ml.store import Store


async def test_a_configuration_is_replaced_and_forgotten(store: Store) -> None:
    await store.bootstrap_configurations.put("sensor-*", {"delete": ["/"]})
    await store.bootstrap_configurations.put("sensor-*", {"delete": []})
    await store.bootstrap_configurations.put("a", {})
    assert await store.bootstrap_configurations.all() == (("a", {}), ("sensor-*", {"delete": []}))
    await store.bootstrap_configurations.delete("a")
    assert [pattern for pattern, _ in await store.bootstrap_configurations.all()] == ["sensor-*"]
