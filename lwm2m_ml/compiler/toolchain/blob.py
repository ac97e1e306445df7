"""A flat, position-independent piece of machine code, and how it is cut out of the linker's output."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.toolchain.elf import ElfFile, Relocation
from lwm2m_ml.compiler.toolchain.errors import NotPositionIndependent, ToolchainError

ALIGNMENT = 16
_EM_ARM = 40
_EM_X86_64 = 62
_EM_AARCH64 = 183
_EM_RISCV = 243

# Relocations whose result does not depend on the load address (place and target move together).
# ELF for the Arm Architecture §5.6.1 and for the Arm 64-bit Architecture §5.7, RISC-V ELF psABI §8, AMD64 psABI §4.4.
_RELATIVE_RELOCATIONS: dict[int, frozenset[int]] = {
    _EM_ARM: frozenset(
        {
            0,  # NONE
            3,  # REL32
            10,  # THM_CALL
            11,  # THM_PC8
            30,  # THM_JUMP24
            42,  # PREL31
            49,  # THM_MOVW_PREL_NC
            50,  # THM_MOVT_PREL
            51,  # THM_JUMP19
            53,  # THM_ALU_PREL_11_0
            54,  # THM_PC12
            102,  # THM_JUMP11
            103,  # THM_JUMP8
            136,  # THM_BF16
            137,  # THM_BF12
            138,  # THM_BF18
        }
    ),
    _EM_RISCV: frozenset(
        {
            0,  # NONE
            16,  # BRANCH
            17,  # JAL
            18,  # CALL
            19,  # CALL_PLT
            23,  # PCREL_HI20
            24,  # PCREL_LO12_I
            25,  # PCREL_LO12_S
            33,  # ADD8
            34,  # ADD16
            35,  # ADD32
            37,  # SUB8
            38,  # SUB16
            39,  # SUB32
            43,  # ALIGN
            44,  # RVC_BRANCH
            45,  # RVC_JUMP
            51,  # RELAX
            57,  # 32_PCREL
        }
    ),
    _EM_X86_64: frozenset(
        {
            0,  # NONE
            2,  # PC32
            4,  # PLT32
            13,  # PC16
            15,  # PC8
            24,  # PC64
            # The linker has turned these into PC32, or there would be an offset table, which is refused.
            41,  # GOTPCRELX
            42,  # REX_GOTPCRELX
        }
    ),
    # Without ADRP, which is relative to a page, and modules are not aligned to pages.
    _EM_AARCH64: frozenset(
        {
            0,  # NONE
            256,  # withdrawn NONE
            260,  # PREL64
            261,  # PREL32
            273,  # LD_PREL_LO19
            274,  # ADR_PREL_LO21
            279,  # TSTBR14
            280,  # CONDBR19
            282,  # JUMP26
            283,  # CALL26
        }
    ),
}

# Mapping symbols tell code from data inside a section: ELF for the Arm Architecture §5.5.5, RISC-V psABI §4.
_CODE_MARKS = ("$t", "$x", "$a")
_DATA_MARK = "$d"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or an object inside a blob."""

    name: str
    offset: int
    size: int
    is_function: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """Machine code that runs at any 16-byte aligned address.

    `code_ranges` are the half-open byte ranges that hold instructions: literal pools, tables and constants are outside.
    """

    code: bytes
    entry_offset: int
    symbols: Mapping[str, Symbol]
    code_ranges: tuple[tuple[int, int], ...]

    @property
    def instruction_bytes(self) -> int:
        """How many bytes are instructions; the rest is constants."""
        return sum(end - start for start, end in self.code_ranges)


def flatten(elf: ElfFile, entry: str) -> Blob:
    """Cut the blob out of a linked file; raises `NotPositionIndependent` when that would not run anywhere."""
    _check_sections(elf)
    for relocation in elf.relocations:
        if relocation.kind not in _RELATIVE_RELOCATIONS.get(elf.machine, ()):
            raise NotPositionIndependent(_absolute_address(elf, relocation))
    symbols = _symbols(elf)
    if entry not in symbols or symbols[entry].offset != 0:
        raise ToolchainError(f"The entry {entry!r} is not at offset 0 of the module: is it a global function?")
    return Blob(code=_image(elf), entry_offset=0, symbols=symbols, code_ranges=_code_ranges(elf))


def _check_sections(elf: ElfFile) -> None:
    for section in elf.sections:
        if not section.is_loaded or section.name in (".code", ".constants"):
            continue
        inside = sorted({s.name for s in elf.symbols if s.section == section.index and s.size})[:3]
        named = f" ({', '.join(inside)})" if inside else ""
        raise NotPositionIndependent(
            f"The module needs {section.size} bytes of section {section.name}{named}",
            hint="A module has no writable data and no offset table: keep every state in the arena, make tables const",
        )
    too_strict = [s for s in elf.sections if s.is_loaded and s.alignment > ALIGNMENT]
    if too_strict:
        raise NotPositionIndependent(
            f"Section {too_strict[0].name} wants an alignment of {too_strict[0].alignment} bytes, "
            f"a module is loaded at a multiple of {ALIGNMENT}"
        )


def _absolute_address(elf: ElfFile, relocation: Relocation) -> str:
    place = next(
        (s.name for s in elf.symbols if s.size and s.value & ~1 <= relocation.offset < (s.value & ~1) + s.size),
        elf.sections[relocation.section].name,
    )
    name = relocation.symbol.name or elf.sections[relocation.symbol.section].name
    return f"{place!r} holds the absolute address of {name!r} (relocation type {relocation.kind})"


def _image(elf: ElfFile) -> bytes:
    image = bytearray()
    for name in (".code", ".constants"):
        section = elf.section(name)
        if section is not None and section.is_loaded:
            image.extend(bytes(section.address - len(image)))
            image.extend(elf.data(section))
    image.extend(bytes(-len(image) % 4))
    return bytes(image)


def _symbols(elf: ElfFile) -> dict[str, Symbol]:
    function, data = 2, 1
    thumb_bit = 1 if elf.machine == _EM_ARM else 0
    found: dict[str, Symbol] = {}
    for symbol in sorted(elf.symbols, key=lambda s: (s.value, s.name)):
        if symbol.kind in (function, data) and symbol.section and symbol.name:
            offset = symbol.value & ~thumb_bit if symbol.kind == function else symbol.value
            found.setdefault(symbol.name, Symbol(symbol.name, offset, symbol.size, symbol.kind == function))
    return found


def _code_ranges(elf: ElfFile) -> tuple[tuple[int, int], ...]:
    section = elf.section(".code")
    if section is None:
        return ()
    marks = sorted(
        (symbol.value, not symbol.name.startswith(_DATA_MARK))
        for symbol in elf.symbols
        if symbol.section == section.index and symbol.name.startswith((*_CODE_MARKS, _DATA_MARK))
    )
    end = section.address + section.size
    ranges: list[tuple[int, int]] = []
    start, is_code = section.address, True
    for value, marks_code in [*marks, (end, True)]:
        if is_code and value > start:
            ranges.append((start, value))
        start, is_code = value, marks_code
    return _joined(ranges)


def _joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)
