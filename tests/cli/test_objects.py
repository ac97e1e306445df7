"""`lwm2m-ml objects`: what it prints, what it refuses, and that a server of the same directory would read it."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lwm2m_ml.cli.main import app
from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.lwm2m.ddf import DefinitionError

DEFINITION = Path(__file__).parents[1] / "api" / "notes.xml"


def objects(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["objects", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_list_has_the_shipped_objects(tmp_path: Path) -> None:
    listed = json.loads(objects("list", "--json", "--data-directory", str(tmp_path)))
    assert {0, 1, 3, 5, 9, 25, 42769} <= {row["id"] for row in listed}
    assert "Firmware Update" in objects("list", "--data-directory", str(tmp_path))


def test_show_tells_every_resource(tmp_path: Path) -> None:
    shown = json.loads(objects("show", "3", "--json", "--data-directory", str(tmp_path)))
    assert shown["name"] == "Device"
    assert shown["resources"][0] == {
        "id": 0,
        "name": "Manufacturer",
        "operations": "R",
        "type": "String",
        "multiple": False,
        "mandatory": False,
        "range": "",
        "units": "",
        "description": shown["resources"][0]["description"],
    }
    assert "Manufacturer" in objects("show", "3", "--data-directory", str(tmp_path))


def test_an_unknown_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Object 32771 is not defined"):
        objects("show", "32771", "--data-directory", str(tmp_path))


def test_an_added_file_is_listed_and_shown(tmp_path: Path) -> None:
    assert objects("add", str(DEFINITION), "--data-directory", str(tmp_path)).strip() == "32771 Notes 1.0"
    assert "Notes" in objects("show", "32771", "--data-directory", str(tmp_path))
    assert (tmp_path / "objects" / "32771-1.0.xml").read_bytes() == DEFINITION.read_bytes()


def test_adding_twice_needs_replace(tmp_path: Path) -> None:
    objects("add", str(DEFINITION), "--data-directory", str(tmp_path))
    with pytest.raises(ConflictError, match="was added before"):
        objects("add", str(DEFINITION), "--data-directory", str(tmp_path))
    objects("add", str(DEFINITION), "--replace", "--data-directory", str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"<LWM2M/>", b"<html/>", DEFINITION.read_bytes().replace(b"RW", b"X", 1)])
def test_an_invalid_file_is_not_added(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.xml"
    file.write_bytes(content)
    with pytest.raises(DefinitionError, match=r"bad\.xml"):
        objects("add", str(file), "--data-directory", str(tmp_path))
    assert not (tmp_path / "objects").exists()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read"):
        objects("validate", str(tmp_path / "none.xml"))


def test_validate_says_where_and_what(tmp_path: Path) -> None:
    file = tmp_path / "bad.xml"
    file.write_bytes(DEFINITION.read_bytes().replace(b"RW", b"X", 1))
    assert objects("validate", str(DEFINITION)) == ""
    findings = json.loads(objects("validate", str(DEFINITION), str(file), "--json", code=1))
    assert [finding["where"] for finding in findings] == ["bad.xml: object 32771, resource 0"]


def test_a_broken_file_in_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    shutil.copy(DEFINITION, tmp_path / "objects" / "good.xml")
    (tmp_path / "objects" / "broken.xml").write_bytes(b"<LWM2M>")
    with pytest.raises(DefinitionError, match=r"broken\.xml"):
        objects("list", "--data-directory", str(tmp_path))
