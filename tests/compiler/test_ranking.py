"""Backends ranked for a device: what it takes and has decides, and each says why it stands where it does."""

import pytest

from lwm2m_ml.compiler.backends.interface import Capabilities, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.isolation import Limits
from lwm2m_ml.compiler.backends.registry import BrokenBackend, InstalledBackend
from lwm2m_ml.compiler.ranking import Ranked, rank
from lwm2m_ml.compiler.targets import load_target


def _backend(name: str, *formats: str, **facts: object) -> InstalledBackend:
    declaration = Declaration(name, "1", formats, **facts)  # type: ignore[arg-type]
    return InstalledBackend(name, "vendor", declaration, True, _never)


def _never(_request: Request, _limits: Limits) -> Payload:
    raise AssertionError("ranking builds nothing")


BACKENDS = (
    _backend("graph", Format.TFLITE, data_types=("int8", "float32")),
    _backend("portable", Format.WASM),
    _backend("machine", Format.NATIVE, architectures=("thumb", "riscv32")),
    _backend("real", Format.NATIVE, data_types=("float32",)),
    _backend("unit", Format.TFLITE, accelerators=("ethos-u55-128",)),
    _backend("sources", Format.C_SOURCES),
    BrokenBackend("ill", "vendor", "it crashed"),
)
ALL = Capabilities(formats=("native-pic", "wasm", "tflite"), data_types=("int8", "float32"))


def _able(target: str, capabilities: Capabilities = ALL) -> list[str]:
    return [ranked.name for ranked in rank(BACKENDS, load_target(target), capabilities) if not ranked.against]


def _against(target: str, name: str, capabilities: Capabilities = ALL) -> str:
    found: Ranked = next(ranked for ranked in rank(BACKENDS, load_target(target), capabilities) if ranked.name == name)
    return found.against


def test_machine_code_comes_before_portable_code_and_that_before_graphs() -> None:
    assert _able("cortex-m4f") == ["machine", "portable", "graph", "real"]


def test_a_unit_beside_the_processor_comes_first() -> None:
    assert _able("mps3-an547")[0] == "unit"
    assert "has none of the units" in _against("nrf52840", "unit")


def test_core_without_a_compiler_gets_what_needs_none() -> None:
    assert _able("esp32") == ["portable", "graph"]
    assert "it makes nothing for xtensa" in _against("esp32", "machine")


@pytest.mark.parametrize(
    ("formats", "able"), [(("tflite",), ["graph"]), (("wasm", "tflite"), ["portable", "graph"]), ((), [])]
)
def test_the_device_has_the_last_word_on_formats(formats: tuple[str, ...], able: list[str]) -> None:
    assert _able("cortex-m4f", Capabilities(formats=formats, data_types=("int8",))) == able


def test_sources_and_the_broken_say_why_they_are_out() -> None:
    assert "takes modules of format" in _against("cortex-m4f", "sources")
    assert _against("cortex-m4f", "ill") == "it does not work: it crashed"
