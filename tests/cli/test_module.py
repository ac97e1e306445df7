"""`lwm2m-ml module`: what is in a package, whether a device would take it, signing, and what two of them differ in."""

import json
from pathlib import Path

import numpy
import pytest
from typer.testing import CliRunner

from lwm2m_ml.cli.main import app
from lwm2m_ml.compiler.facts import TensorFact
from lwm2m_ml.compiler.saved_module import FACTS_FILE, VECTORS_DIRECTORY
from lwm2m_ml.errors import InvalidInputError, UsageError
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.key_folder import open_key_store

VENDOR, CLASS = "57c14b27-b95d-55e5-9d5c-4a9f1d2b9a3e", "57c14b27-b95d-55e5-9d5c-4a9f1d2b9a3f"
PAYLOAD = numpy.arange(500, dtype=numpy.uint8).tobytes()


def module(tmp_path: Path, *arguments: str, code: int = 0) -> str:
    directory = () if arguments[0] in {"inspect", "diff"} else ("--data-directory", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["module", *arguments, *directory])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A directory as `lwm2m-ml compile` writes it."""
    directory = tmp_path / "tiny-m4f"
    (directory / VECTORS_DIRECTORY).mkdir(parents=True)
    (directory / "module.bin").write_bytes(PAYLOAD)
    for kind, content in (("input", b"abcd"), ("output", b"ef")):
        (directory / VECTORS_DIRECTORY / f"00.{kind}.bin").write_bytes(content)
    tensors = [TensorFact("x", (1, 4), "int8", 0.1, 0, 0, 4), TensorFact("y", (1, 2), "int8", 0.1, 0, 16, 2)]
    sizes = {"flash_bytes": 500, "arena_bytes": 32, "stack_bytes": 64, "instructions": 100}
    facts = {"module": "module.bin", "target": "cortex-m4f", "isa": ["armv7e-m"], "format": "native-pic"}
    lists = {"inputs": [_json(tensors[0])], "outputs": [_json(tensors[1])], "abi": "1.0.0"}
    (directory / FACTS_FILE).write_text(json.dumps({**facts, **sizes, **lists}))
    return directory


def _json(tensor: TensorFact) -> dict[str, object]:
    return {name: getattr(tensor, name) for name in tensor.__dataclass_fields__}


@pytest.fixture
def package(tmp_path: Path, compiled: Path) -> Path:
    open_key_store(tmp_path / "data").new()
    path = tmp_path / "tiny.pkg"
    module(tmp_path, "sign", str(compiled), "-o", str(path), "--sequence", "3", "--vendor", VENDOR, "--class", CLASS)
    return path


def test_what_was_compiled_becomes_a_package_that_tells_about_it(tmp_path: Path, package: Path) -> None:
    told = json.loads(module(tmp_path, "inspect", str(package), "--json"))
    assert (told["model"], told["target"], told["sequence_number"]) == ("tiny-m4f", "cortex-m4f", 3)
    assert (told["vendor"], told["class"], told["image_bytes"]) == (VENDOR, CLASS, 500)
    assert told["signature_and_manifest_bytes"] <= 400
    assert told["known_answer_vectors"] == 1
    assert "cortex-m4f" in module(tmp_path, "inspect", str(package))


def test_a_good_package_is_verified_and_its_image_written(tmp_path: Path, package: Path) -> None:
    assert module(tmp_path, "verify", str(package), "--image", str(tmp_path / "image")).startswith("Good: tiny-m4f")
    assert (tmp_path / "image").read_bytes() == PAYLOAD
    anchor = next((tmp_path / "data" / "keys").glob("*.pub.pem"))
    assert module(tmp_path, "verify", str(package), "--trust", str(anchor))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--floor", "3"), "sequence number 3, more than 3 is needed"),
        (("--vendor", CLASS), "another vendor"),
        (("--class", VENDOR), "another vendor"),
        (("--storage", "499"), "500 B of module storage"),
        (("--memory", "95"), "96 B of working memory"),
        (("--abi", "2.0.0"), "ABI"),
    ],
)
def test_what_a_device_would_refuse_is_refused(
    tmp_path: Path, package: Path, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ModuleRejected, match=told):
        module(tmp_path, "verify", str(package), *arguments)


def test_modules_of_a_revoked_key_are_refused(tmp_path: Path, package: Path) -> None:
    store = open_key_store(tmp_path / "data")
    store.revoke(store.rotate().key_id)
    assert module(tmp_path, "verify", str(package))
    store.revoke(store.list()[0].key_id)
    with pytest.raises(ModuleRejected, match="not signed by a key that is trusted"):
        module(tmp_path, "verify", str(package))


def test_a_package_is_signed_again_with_a_higher_number_and_nothing_else_changes(tmp_path: Path, package: Path) -> None:
    again = tmp_path / "again.pkg"
    module(tmp_path, "sign", str(package), "-o", str(again), "--sequence", "9")
    assert module(tmp_path, "verify", str(again), "--floor", "8")
    assert json.loads(module(tmp_path, "diff", str(package), str(again), "--json", code=1)) == {
        "sequence_number": [3, 9]
    }
    assert "again.pkg" in module(tmp_path, "diff", str(package), str(again), code=1)
    assert module(tmp_path, "diff", str(package), str(package)).strip() == "They say the same"


def test_what_is_no_package_or_no_module_is_said(tmp_path: Path, compiled: Path, package: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xd8\x6b\xa4")
    for arguments in (("inspect", str(bad)), ("verify", str(bad)), ("sign", str(bad), "-o", "x", "--sequence", "1")):
        with pytest.raises(InvalidInputError):
            module(tmp_path, *arguments)
    for unusable in (
        ("inspect", str(tmp_path / "nowhere")),
        ("sign", str(compiled), "-o", "x", "--sequence", "1"),
        ("verify", str(package), "--vendor", "me"),
    ):
        with pytest.raises(UsageError):
            module(tmp_path, *unusable)
    (compiled / FACTS_FILE).write_text("{}")
    target = ("--vendor", VENDOR, "--class", CLASS)
    with pytest.raises(InvalidInputError):
        module(tmp_path, "sign", str(compiled), "-o", "x", "--sequence", "1", *target)
