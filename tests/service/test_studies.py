"""Studies say what is missing before any work is begun."""

from typing import Any

import pytest

from lwm2m_ml.errors import Lwm2mMlError, NotFoundError
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.studies import Studies
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store import Store

NO_DEVICES: Any = None


@pytest.fixture
async def studies(store: Store) -> Studies:
    zoo = Zoo(store, WorkerPool(1))
    await zoo.start()
    builder = Builder(store, zoo, WorkerPool(1))
    return Studies(zoo, builder, NO_DEVICES, store.explanation_archives)


async def test_work_names_what_it_is_about(studies: Studies) -> None:
    assert studies.compilation("digits", "digits-small", "rp2040").subject == "digits 1.0.0: digits-small for rp2040"
    explanation = studies.explanation("digits", "1.0.0", "digits-large", "nrf52840")
    assert explanation.subject == "digits 1.0.0: digits-large for nrf52840"


async def test_what_is_not_there_is_no_work(studies: Studies) -> None:
    for model, variant, target in (
        ("cats", "digits-small", "rp2040"),
        ("digits", "digits-huge", "rp2040"),
        ("digits", "digits-small", "pdp11"),
    ):
        with pytest.raises(Lwm2mMlError):
            studies.compilation(model, variant, target)
        with pytest.raises(Lwm2mMlError):
            studies.explanation(model, None, variant, target)
    with pytest.raises(NotFoundError):
        await studies.explained_module("0" * 64)


async def test_only_targets_that_can_be_compiled_for_are_named(studies: Studies) -> None:
    names = {target.name for target in studies.targets()}
    assert "cortex-m4f" in names
    assert all(target.can_compile for target in studies.targets())
