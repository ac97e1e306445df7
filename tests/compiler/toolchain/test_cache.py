"""Where results are kept, and that a half-written one is never seen."""

import os
from pathlib import Path

import pytest

from lwm2m_ml.compiler.toolchain import cache
from lwm2m_ml.compiler.toolchain.cache import cache_directory, cached_file, digest_of
from lwm2m_ml.errors import UsageError


def test_the_variable_wins_over_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("LWM2M_ML_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "lwm2m-ml"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_directory() == Path.home() / "Library" / "Caches" / "lwm2m-ml"


def test_boundaries_between_parts_count() -> None:
    assert digest_of(["ab", "c"]) != digest_of(["a", "bc"])
    assert digest_of(["ab"]) == digest_of([b"ab"])


def test_a_file_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("content")

    paths = {cached_file("kind", "abcd", ".x", make) for _ in range(3)}
    assert len(paths) == len(made) == 1
    assert paths.pop().read_text() == "content"


def test_a_failed_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))

    def fail(path: Path) -> None:
        path.write_text("half")
        raise ValueError("out of ideas")

    with pytest.raises(ValueError, match="ideas"):
        cached_file("kind", "abcd", ".x", fail)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="LWM2M_ML_CACHE"):
        cached_file("kind", "abcd", ".x", lambda path: None)


def test_the_oldest_files_go_when_a_directory_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "MAX_FILES_PER_DIRECTORY", 3)
    old = [cached_file("kind", f"ab{number}", ".x", lambda path: None) for number in range(3)]
    for path in old:
        os.utime(path, (1, 1))
    assert cached_file("kind", "ab1", ".x", lambda path: None) == old[1]
    new = [cached_file("kind", f"ab{number}", ".x", lambda path: None) for number in (7, 8)]
    assert not old[0].exists()
    assert not old[2].exists()
    assert old[1].exists(), "it was used a moment ago"
    assert all(path.exists() for path in new)
