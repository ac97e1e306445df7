"""What modules are remembered for, and that many of them take one look."""

import pytest

from lwm2m_ml.service.monitoring import known_modules
from lwm2m_ml.service.monitoring.known_modules import KnownModules
from lwm2m_ml.store import Store
from lwm2m_ml.store.modules import ModuleRecord


def module(number: int) -> ModuleRecord:
    digest = f"{number:064x}"
    facts = {"sequence_number": number, "module_digest": digest}
    return ModuleRecord(digest, f"key-{number}", "motion", f"1.{number}.0", "small", "cortex-m4f", facts, digest)


async def test_sequence_numbers_are_looked_up_together_and_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_modules, "SEQUENCES_AT_ONCE", 2)
    asked = []
    look = store.modules.by_sequence_numbers

    async def counted(numbers: list[int]) -> tuple[ModuleRecord, ...]:
        asked.append(list(numbers))
        return await look(numbers)

    monkeypatch.setattr(store.modules, "by_sequence_numbers", counted)
    for number in (1, 2, 3):
        await store.modules.put(module(number))
    modules = KnownModules(store.modules)
    await modules.find_sequences([3, 1, 1, 2, 99])
    assert asked == [[1, 2], [3, 99]]
    assert [modules.remembered(number) for number in (1, 99)][1] == (True, None)
    found = modules.remembered(2)[1]
    assert found is not None
    assert found.version == "1.2.0"
    await modules.find_sequences([1, 2, 99, 4])
    assert asked[2:] == [[4]]


async def test_a_module_is_found_by_its_digest(store: Store) -> None:
    await store.modules.put(module(1))
    modules = KnownModules(store.modules)
    found = await modules.find(bytes.fromhex(module(1).digest))
    assert found is not None
    assert found.version == "1.1.0"
    assert await modules.find(bytes(32)) is None
