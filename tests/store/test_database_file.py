"""A database file that is removed or replaced is noticed, and missed no longer when it is back."""

from pathlib import Path

import pytest

from lwm2m_ml.store.database_file import DatabaseFile
from lwm2m_ml.store.errors import StoreUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.sqlite3"
    path.write_bytes(b"rows")
    return path


def test_a_file_that_stays_is_well_and_so_is_a_log_that_comes_later(path: Path) -> None:
    file = DatabaseFile(path)
    path.write_bytes(b"more rows")
    path.with_name("one.sqlite3-wal").write_bytes(b"log")
    file.check()
    file.check()


def test_a_file_that_is_taken_away_is_missed_until_it_is_back(path: Path, tmp_path: Path) -> None:
    file = DatabaseFile(path)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match=r"one\.sqlite3 of the database is gone"):
        file.check()
    (tmp_path / "elsewhere").rename(path)
    file.check()


def test_another_file_is_not_taken_for_it(path: Path, tmp_path: Path) -> None:
    file = DatabaseFile(path)
    (tmp_path / "other").write_bytes(b"rows")
    (tmp_path / "other").replace(path)
    with pytest.raises(StoreUnavailable, match="replaced by another"):
        file.check()


def test_a_log_that_is_taken_away_is_missed(path: Path) -> None:
    log = path.with_name("one.sqlite3-wal")
    log.write_bytes(b"log")
    file = DatabaseFile(path)
    log.unlink()
    with pytest.raises(StoreUnavailable, match="-wal"):
        file.check()
