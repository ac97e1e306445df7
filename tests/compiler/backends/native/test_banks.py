"""Modules whose arena lies in several banks of RAM: proved like others, with each bank's end guarded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.emulator import EmulationFault, open_runner
from lwm2m_ml.compiler.errors import ArenaDoesNotFit
from lwm2m_ml.compiler.saved_module import load_module, save_module
from lwm2m_ml.compiler.targets import MemoryBank, Target, load_target

Floats = NDArray[numpy.float32]


def _with_banks(core: str, *sizes: int) -> Target:
    banks = tuple(MemoryBank(f"ram{number}", size, number << 24) for number, size in enumerate(sizes))
    return replace(load_target(core), ram_banks=banks, ram_bytes=sum(sizes))


def test_banks_that_adjoin_are_one_region() -> None:
    assert load_target("stm32f767").ram_regions == (512 * 1024,)
    assert load_target("stm32h743").ram_regions == (512 * 1024, 288 * 1024, 128 * 1024, 64 * 1024)
    assert load_target("cortex-m4f").ram_regions == ()


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
def test_digits_in_two_banks_answer_right(
    core: str, digits_network: bytes, digits_samples: Floats, tmp_path: Path
) -> None:
    alone = compile_model(digits_network, load_target(core), calibration=digits_samples)
    largest = max(buffer.bytes for buffer in alone.buffers)
    target = _with_banks(core, max(largest + 32, alone.arena_bytes * 3 // 4), alone.arena_bytes * 3 // 4)
    module = compile_model(digits_network, target, calibration=digits_samples, inputs=digits_samples[:3])
    assert len(module.bank_bytes) == 2
    assert (sum(module.bank_bytes), module.abi, module.exact) == (module.arena_bytes, "1.1.0", True)
    assert all(used <= there for used, there in zip(module.bank_bytes, target.ram_regions, strict=True))
    reference = evaluate(digits_network, digits_samples, digits_samples[:3])
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in reference]
    save_module(module, tmp_path)
    loaded = load_module(tmp_path)
    given, expected = module.vectors[0]
    assert loaded.run(target, {loaded.inputs[0].name: given}, stack_bytes=4096).outputs == (expected,)


def test_one_bank_is_used_alone_where_it_is_enough(digits_network: bytes) -> None:
    module = compile_model(digits_network, load_target("stm32h743"))
    assert (module.bank_bytes, module.abi) == ((), "1.0.0")


def test_module_that_fits_no_division_is_refused_with_figures(digits_network: bytes) -> None:
    with pytest.raises(ArenaDoesNotFit, match=r"needs [\d,]+ B of RAM, the regions of cortex-m4f have 160 B, 96 B"):
        compile_model(digits_network, _with_banks("cortex-m4f", 160, 96))


def test_write_beyond_any_bank_is_noticed(digits_network: bytes, blob: Any) -> None:
    target = load_target("cortex-m4f")
    runner = open_runner(blob, target, arena_bytes=48, stack_bytes=256, bank_bytes=(32, 16))
    with pytest.raises(EmulationFault, match=r"outside its arena of 16 bytes, at offset -1|access|write"):
        runner.invoke([], [])


@pytest.fixture
def blob() -> bytes:
    """A module that writes in front of its second bank."""
    from lwm2m_ml.compiler.toolchain import compile_blob  # noqa: PLC0415

    text = """#include <stdint.h>
__attribute__((visibility("default"))) int32_t module_invoke(uint8_t *arena, uint8_t *arena1)
{ arena[0] = 1; arena1[-1] = 2; return 0; }"""
    return compile_blob({"m.c": text}, load_target("cortex-m4f")).code
