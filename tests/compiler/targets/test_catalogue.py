"""The shipped targets, finding one, and what a device reports about itself."""

import pytest

from lwm2m_ml.compiler.targets import (
    Architecture,
    Target,
    UnknownInstructionSet,
    UnknownTarget,
    core_names,
    load_target,
    normalised_flags,
    shipped_targets,
    target_for_instruction_set,
    target_names,
)

NEEDED_CORES = {"cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m55"}


def test_the_cores_and_many_microcontrollers_are_there() -> None:
    assert NEEDED_CORES | {"rv32imc", "rv32imac", "rv32imafc", "wasm32", "host", "x86-64", "aarch64"} <= set(
        core_names()
    )
    assert {"nrf52840", "esp32-c3", "rp2040", "stm32f746", "samd21"} <= set(target_names())
    assert len(target_names()) - len(core_names()) >= 30


@pytest.mark.parametrize("target", shipped_targets().values(), ids=lambda target: target.name)
def test_every_target_is_consistent(target: Target) -> None:
    core = load_target(target.core)
    assert core.is_core
    assert (target.isa, target.compiler_flags, target.proof) == (core.isa, core.compiler_flags, core.proof)
    assert target.is_core == (target.name == target.core)
    assert target.ram_bytes == (sum(bank.bytes for bank in target.ram_banks) or None)
    assert target.source
    if not target.is_core:
        assert target.family


def test_a_name_is_found_whatever_its_case() -> None:
    assert load_target(" NRF52840 ").core == "cortex-m4f"


def test_an_unknown_name_suggests_close_ones() -> None:
    with pytest.raises(UnknownTarget, match="Did you mean nrf52840"):
        load_target("nrf52841")
    with pytest.raises(UnknownTarget, match="targets list"):
        load_target("zzz")


@pytest.mark.parametrize(
    ("flags", "core"),
    [
        (["armv6-m"], "cortex-m0plus"),
        (["armv7-m"], "cortex-m3"),
        (["armv7e-m", "dsp"], "cortex-m4"),
        (["armv7e-m", "dsp", "fpv4-sp-d16"], "cortex-m4f"),
        (["armv7e-m", "fpv5-d16"], "cortex-m7"),
        (["armv8-m.main"], "cortex-m3"),
        (["armv8-m.main", "dsp", "fpv5-sp-d16"], "cortex-m33"),
        (["armv8.1-m.main", "dsp", "fpv5-d16", "mve.fp"], "cortex-m55"),
        (["rv32imc"], "rv32imc"),
        (["RV32IMC", "xesploop"], "rv32imc"),
        (["rv32i", "m", "c", "a"], "rv32imac"),
        (["rv32imafdc_zba"], "rv32imafc"),
        (["rv32gc"], "rv32imafc"),
    ],
)
def test_an_unknown_device_gets_the_best_core_that_its_flags_allow(flags: list[str], core: str) -> None:
    assert target_for_instruction_set(flags).name == core


@pytest.mark.parametrize("flags", [[], ["rv32i"], ["z80"], ["xtensa-lx6"]])
def test_an_instruction_set_that_nothing_serves_is_an_error(flags: list[str]) -> None:
    with pytest.raises(UnknownInstructionSet):
        target_for_instruction_set(flags)


def test_flags_are_spelt_out() -> None:
    assert {"rv32i", "m", "c", "zba"} == normalised_flags(["rv32imc_zba"])
    assert {"armv7e-m", "armv7-m", "armv6-m", "dsp", "idiv"} == normalised_flags([" ARMv7E-M "])


def test_a_target_has_what_its_flags_imply() -> None:
    assert load_target("cortex-m4f").has("dsp", "idiv", "fpv4-sp-d16")
    assert load_target("cortex-m33").has("dsp")
    assert not load_target("cortex-m3").has("dsp")
    assert load_target("rv32imc").has("m", "c")
    assert [load_target(name).has_fpu for name in ("cortex-m4", "cortex-m7", "rv32imc", "rv32imafc", "host")] == [
        False,
        True,
        False,
        True,
        True,
    ]


def test_no_two_microcontrollers_share_a_title() -> None:
    titles = [target.title for target in shipped_targets().values()]
    assert len(set(titles)) == len(titles)


def test_architectures_without_a_compiler_say_so() -> None:
    assert not load_target("esp32").can_compile
    assert load_target("esp32-c3").can_compile
    assert load_target("esp32").architecture is Architecture.XTENSA


@pytest.mark.parametrize(("machine", "architecture"), [("AMD64", "x86-64"), ("x86_64", "x86-64"), ("arm64", "aarch64")])
def test_the_host_is_what_the_platform_says(machine: str, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    host = shipped_targets.__wrapped__()["host"]
    assert (host.name, host.core, host.architecture, host.can_compile) == ("host", "host", architecture, True)


def test_a_host_of_an_unknown_kind_has_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert not shipped_targets.__wrapped__()["host"].can_compile


def test_most_microcontrollers_have_figures_that_were_looked_up() -> None:
    """Those written from memory are told apart; a source names the files in which the others were read."""
    looked_up = [
        target
        for target in shipped_targets().values()
        if not target.is_core and not {"flash_bytes", "ram", "clock_hz"} & set(target.from_memory)
    ]
    assert len(looked_up) >= 30
    assert all("/" in target.source for target in looked_up)
    families = {target.core for target in looked_up}
    assert families >= {
        "cortex-m0",
        "cortex-m0plus",
        "cortex-m3",
        "cortex-m4f",
        "cortex-m7",
        "cortex-m33",
        "cortex-m55",
    }
    assert families >= {"rv32imc", "rv32imac", "rv32imafc"}


def test_power_is_unknown_unless_a_source_was_read() -> None:
    assert all(target.power is None or target.power.source for target in shipped_targets().values())


def test_units_beside_the_processor_are_named() -> None:
    assert load_target("mps3-an547").accelerators == ("ethos-u55-128",)
    assert load_target("nrf52840").accelerators == ()
