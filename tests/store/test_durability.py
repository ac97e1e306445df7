"""Trouble begins with a write that the database failed, and ends with one that it did not."""

import pytest

from lwm2m_ml.store.durability import Durability
from lwm2m_ml.store.errors import RecordConflict, StoreError, StoreFull, StoreUnavailable


@pytest.mark.parametrize("error", [StoreFull("full"), StoreUnavailable("gone")])
def test_in_trouble_until_something_is_written(error: StoreError) -> None:
    durability = Durability()
    durability.judge(False, [error])
    assert durability.trouble is error
    durability.judge(True, [])
    assert durability.trouble is None


def test_the_fault_of_a_record_is_none_of_the_database() -> None:
    durability = Durability()
    durability.judge(False, [RecordConflict("twice"), ValueError("no")])
    assert durability.trouble is None


def test_an_empty_transaction_proves_nothing() -> None:
    durability = Durability()
    durability.judge(False, [StoreFull("full")])
    durability.judge(False, [])
    assert durability.trouble is not None
