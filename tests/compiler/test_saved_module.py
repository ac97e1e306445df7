"""A saved module is its payload, its facts and its proved answers; what was damaged is refused."""

import json
from pathlib import Path

import pytest

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnreadableModule
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.saved_module import FACTS_FILE, VECTORS_DIRECTORY, load_module, save_module
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError


@pytest.fixture(scope="module")
def module(digits_network: bytes) -> CompiledModule:
    return compile_model(digits_network, load_target("rv32imc"))


def test_saved_module_answers_as_it_was_proved(module: CompiledModule, tmp_path: Path) -> None:
    payload = save_module(module, tmp_path / "deep" / "er")
    assert payload.read_bytes() == module.payload
    for path in (payload, payload.parent):
        loaded = load_module(path)
        given, expected = module.vectors[0]
        invocation = loaded.run(load_target(loaded.target), {loaded.inputs[0].name: given}, stack_bytes=4096)
        assert invocation.outputs == (expected,)
        assert 0 < (invocation.instructions or 0) <= (module.instructions or 0)


def test_vectors_lie_beside_it(module: CompiledModule, tmp_path: Path) -> None:
    save_module(module, tmp_path)
    files = sorted((tmp_path / VECTORS_DIRECTORY).iterdir())
    assert [file.read_bytes() for file in files[:2]] == list(module.vectors[0])
    assert len(files) == 2 * len(module.vectors)


def test_facts_never_lead_out_of_the_directory(module: CompiledModule, tmp_path: Path) -> None:
    save_module(module, tmp_path / "module")
    facts = tmp_path / "module" / FACTS_FILE
    (tmp_path / "secret").write_bytes(b"secret")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "module": "../secret"}))
    with pytest.raises(UsageError, match="secret"):
        load_module(tmp_path / "module")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"module": "module.bin"}', "[" * 100_000, '{"module": 3}'])
def test_damaged_facts_are_refused(text: str, module: CompiledModule, tmp_path: Path) -> None:
    save_module(module, tmp_path)
    (tmp_path / FACTS_FILE).write_text(text)
    with pytest.raises((UnreadableModule, UsageError)):
        load_module(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("dtype", "int7"), ("scale", 0), ("scale", float("nan")), ("shape", [1, -1]), ("shape", [9]), ("bytes", 1e999)],
)
def test_impossible_tensors_are_refused(key: str, value: object, module: CompiledModule, tmp_path: Path) -> None:
    save_module(module, tmp_path)
    facts = json.loads((tmp_path / FACTS_FILE).read_text())
    facts["inputs"][0][key] = value
    (tmp_path / FACTS_FILE).write_text(json.dumps(facts))
    with pytest.raises(UnreadableModule):
        load_module(tmp_path)


def test_place_that_cannot_be_written_is_wrong_usage(module: CompiledModule, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="Cannot write"):
        save_module(module, tmp_path / "file" / "below")
