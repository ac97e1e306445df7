"""Models with their variants in order."""

from dataclasses import replace

from lwm2m_ml.store import Store
from lwm2m_ml.store.models import ModelRecord, VariantRecord

SMALL = VariantRecord("small", "aa" * 32, {"accuracy": 95.5})
LARGE = VariantRecord("large", "bb" * 32, {"accuracy": 98.9})
DIGITS = ModelRecord("digits", "1.0.0", (SMALL, LARGE), {"labels": list("0123456789")}, created_at=5.0)


async def test_a_model_reads_back_with_its_variants_in_order(store: Store) -> None:
    await store.models.put(DIGITS)
    assert await store.models.get("digits", "1.0.0") == DIGITS
    assert await store.models.get("digits", "2.0.0") is None


async def test_storing_a_version_again_replaces_its_variants(store: Store) -> None:
    store.models.put(DIGITS)
    await store.models.put(replace(DIGITS, variants=(LARGE,)))
    found = await store.models.get("digits", "1.0.0")
    assert found is not None
    assert found.variants == (LARGE,)


async def test_all_lists_versions_by_age_and_models_without_variants(store: Store) -> None:
    newer = replace(DIGITS, version="1.1.0", created_at=6.0, variants=())
    store.models.put(newer)
    await store.models.put(DIGITS)
    assert await store.models.all() == (DIGITS, newer)
