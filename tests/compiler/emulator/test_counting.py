"""Counting when zig cannot help: the same numbers, in Python."""

import pytest

from lwm2m_ml.compiler.emulator import Machine, Region, counting
from lwm2m_ml.compiler.emulator.counting import instructions_in
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import MissingToolError


@pytest.mark.parametrize(
    ("code", "is_riscv", "expected"),
    [
        ("", False, 0),
        ("70477047", False, 2),
        ("00f001f8", False, 1),
        ("00e0", False, 1),
        ("dfe801f0", False, 1),
        ("82800505", True, 2),
        ("13050500", True, 1),
    ],
)
def test_the_length_of_an_instruction_shows_in_its_first_halfword(code: str, is_riscv: bool, expected: int) -> None:
    assert instructions_in(bytes.fromhex(code), is_riscv=is_riscv) == expected


def test_without_zig_the_machine_counts_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MissingToolError("The compiler zig is not installed")

    monkeypatch.setattr(counting, "cached_file", refuse)
    counting.native_library.cache_clear()
    try:
        machine = Machine(
            load_target("cortex-m0plus"),
            regions=(Region("code", 0, 4096, executable=True), Region("stack", 0x2000_0000, 4096)),
        )
        machine.write(0, bytes.fromhex("0138fdd17047"))
        assert not machine.counts_natively
        assert machine.call(0, 500, stack_top=0x2000_1000).instructions == 1001
    finally:
        counting.native_library.cache_clear()
