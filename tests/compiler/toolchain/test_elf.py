"""The reader of object files, on files of both classes that zig wrote, and on what is none."""

import pytest

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import ToolchainError
from lwm2m_ml.compiler.toolchain.elf import ElfFile
from lwm2m_ml.compiler.toolchain.sources import Source, compile_objects

SOURCE = """
extern int other(int);
static const int table[5] = {1, 2, 3, 4, 5};
int shared(int i) { return other(table[i & 3]); }
"""


@pytest.mark.parametrize(
    ("target", "machine"), [("cortex-m0plus", 40), ("rv32imc", 243), ("x86-64", 62), ("aarch64", 183)]
)
def test_symbols_sections_and_relocations_are_read(target: str, machine: int) -> None:
    path = compile_objects([Source("m.c", SOURCE, "balanced")], {}, load_target(target))[0]
    elf = ElfFile(path.read_bytes())
    assert elf.machine == machine
    assert "other" in elf.undefined
    assert "shared" in elf.defined
    section = elf.section(".text.shared")
    assert section is not None
    assert section.is_loaded
    assert len(elf.data(section)) == section.size > 4
    assert "other" in {relocation.symbol.name for relocation in elf.relocations}
    sizes = {symbol.name: symbol.size for symbol in elf.symbols}
    assert sizes["table"] == 20


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x01\x02" + bytes(60), b"MZ" + bytes(60)])
def test_what_is_no_little_endian_elf_file_is_refused(content: bytes) -> None:
    with pytest.raises(ToolchainError, match="ELF"):
        ElfFile(content)
