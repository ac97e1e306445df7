"""Cortex-M55 modules in QEMU: answers, counts, and what a module must not do; without QEMU they stay unproved."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.emulator import (
    EmulationFault,
    InstructionLimitPassed,
    Runner,
    StackOverflow,
    open_runner,
    qemu_runner,
)
from lwm2m_ml.compiler.errors import Unproved
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob
from lwm2m_ml.errors import MissingToolError

M55 = load_target("cortex-m55")
Floats = NDArray[numpy.float32]
needs_qemu = pytest.mark.skipif(qemu_runner.qemu_version() is None, reason="qemu-system-arm with mps3-an547 is missing")


def _runner(body: str, *, arena: int = 64, stack: int = 1024) -> Runner:
    text = f"""#include <stdint.h>
__attribute__((visibility("default"))) int32_t module_invoke(uint8_t *arena) {{ {body} }}"""
    return open_runner(
        compile_blob({"m.c": text}, M55, optimize="size").code, M55, arena_bytes=arena, stack_bytes=stack
    )


@needs_qemu
def test_arena_keeps_its_content_from_one_inference_to_the_next() -> None:
    runner = _runner("arena[1] += arena[0]; return 0;")
    assert [runner.invoke([(0, b"\3"), (1, start)], [(1, 1)]).outputs for start in (b"\4", b"\5")] == [
        (b"\7",),
        (b"\x08",),
    ]
    assert runner.invoke([], [(1, 1)]).outputs == (b"\x0b",)
    assert runner.read_arena()[:2] == b"\3\x0b"


@needs_qemu
def test_instructions_are_counted_to_within_a_tick() -> None:
    """A loop of a thousand rounds takes ten times one of a hundred: what is around it goes away in the difference."""
    runner = _runner("for (volatile uint32_t i = *(uint32_t *)arena; i; --i) { } return 0;")
    counts = [runner.invoke([(0, rounds.to_bytes(4, "little"))], []).instructions for rounds in (1000, 2000, 3000)]
    assert abs((counts[2] - counts[1]) - (counts[1] - counts[0])) <= 64
    assert 3000 < counts[1] - counts[0] < 12_000


@needs_qemu
@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        ("return 7;", EmulationFault, "returned 7"),
        ("*(volatile uint32_t *)0xF0000000 = 1; return 0;", EmulationFault, "fault"),
        ("arena[-1] = 1; return 0;", EmulationFault, "outside its arena"),
        ("arena[64] = 1; return 0;", EmulationFault, "outside its arena"),
        (
            "volatile uint8_t deep[2000]; for (int i = 0; i < 2000; ++i) deep[i] = arena[i % 64]; return 0;",
            StackOverflow,
            "stack",
        ),
    ],
)
def test_misbehaviour_is_named(body: str, kind: type[Exception], what: str) -> None:
    with pytest.raises(kind, match=what):
        _runner(body).invoke([], [])


@needs_qemu
def test_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_runner, "_SECONDS", 2)
    with pytest.raises(InstructionLimitPassed):
        _runner("for (;;) { } return 0;").invoke([], [])


@needs_qemu
def test_digits_use_helium_and_answer_right(digits_network: bytes, digits_samples: Floats) -> None:
    module = compile_model(digits_network, M55, calibration=digits_samples, inputs=digits_samples[:3])
    assert module.exact
    assert "QEMU" in module.executor
    reference = evaluate(digits_network, digits_samples, digits_samples[:3])
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in reference]
    # VMLADAVA.S8 with an accumulator, T1 of the Armv8-M Architecture Reference Manual: 1110 1110 1111 … 1111 ….
    halves = numpy.frombuffer(module.payload[: len(module.payload) // 2 * 2], "<u2")
    assert any(first & 0xFFF1 == 0xEEF0 and second & 0x1FD1 == 0x0F00 for first, second in pairwise(halves))


def test_without_qemu_modules_are_refused_unless_allowed(
    digits_network: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lwm2m_ml.compiler.emulator.open.qemu_version", lambda: None)
    with pytest.raises(Unproved, match="Nothing here executes modules for Arm Cortex-M55"):
        compile_model(digits_network, M55)
    module = compile_model(digits_network, M55, allow_unproved=True)
    assert (module.proved, module.exact, module.max_abs_diff, module.instructions) == (False, False, None, None)
    assert module.cost.basis == "estimated"


def test_missing_qemu_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu_runner.qemu_version.cache_clear()
    monkeypatch.setattr("shutil.which", _nothing)
    with pytest.raises(MissingToolError, match="apt install qemu-system-arm"):
        open_runner(bytes(16), M55, arena_bytes=16, stack_bytes=16)
    qemu_runner.qemu_version.cache_clear()


def _nothing(name: str, *_: Any, **__: Callable[..., Any]) -> None:
    return None
