from pathlib import Path

import pytest

import lwm2m_ml
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m import shipped
from lwm2m_ml.lwm2m.shipped import objects_directory, read_definitions, shipped_definitions, shipped_files


def test_definitions_are_found_in_a_checkout() -> None:
    assert (objects_directory() / "42770.xml").is_file()
    assert len(shipped_definitions()) == len(list(shipped_files()))


def test_definitions_are_found_in_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "1.xml").write_bytes(b"<LWM2M/>")
    monkeypatch.setattr(shipped, "files", lambda _package: tmp_path)
    assert [name for name, _ in shipped_files()] == ["1.xml"]


def test_missing_definitions_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "files", lambda _package: tmp_path)
    monkeypatch.setattr(lwm2m_ml, "__file__", str(tmp_path / "lwm2m_ml" / "__init__.py"))
    with pytest.raises(NotFoundError):
        objects_directory()


def test_definitions_of_an_operator_are_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(dict(shipped_files())["9.xml"])
    (tmp_path / "readme.txt").write_text("no definition")
    assert [definition.object_id for definition in read_definitions(tmp_path)] == [9]
    assert read_definitions(tmp_path / "missing") == ()
