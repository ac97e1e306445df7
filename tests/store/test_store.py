"""Opening: what cannot be a store is refused with a sentence."""

from pathlib import Path

import pytest

from lwm2m_ml.errors import UsageError
from lwm2m_ml.store import Store
from lwm2m_ml.store.errors import StoreUnavailable


@pytest.mark.parametrize(
    "url",
    ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://host/db", "no url at all", "postgresql://h/d"],
)
async def test_a_url_that_no_store_can_live_at_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        await Store.open(url)


async def test_a_directory_that_is_not_there_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        await Store.open(f"sqlite:///{tmp_path / 'nowhere' / 'x.sqlite3'}")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Store.open(f"sqlite:///{path}")
