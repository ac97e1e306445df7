"""Modules of explanations are kept as long as the jobs that name them."""

from collections.abc import Callable

import pytest

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.explanations import archive_of, forget_old
from lwm2m_ml.service.jobs import RETENTION
from lwm2m_ml.store import Store


async def test_an_archive_is_there_for_a_week_and_no_longer(store: Store, set_clock: Callable[[float], None]) -> None:
    archives = store.explanation_archives
    digest = await archives.put(b"PK")
    set_clock(RETENTION - 60.0)
    await forget_old(archives)
    assert await archive_of(archives, digest) == b"PK"
    set_clock(RETENTION + 60.0)
    await forget_old(archives)
    with pytest.raises(NotFoundError, match="no module"):
        await archive_of(archives, digest)


async def test_no_other_bytes_of_the_store_are_given_away_as_a_module(store: Store) -> None:
    digest = await store.artefacts.put(b"PK of somebody else")
    with pytest.raises(NotFoundError):
        await archive_of(store.explanation_archives, digest)
