"""Reads the little-endian ELF files that the toolchain itself wrote: sections, symbols, relocations."""

import struct
from dataclasses import dataclass
from functools import cached_property

from lwm2m_ml.compiler.toolchain.errors import ToolchainError

# Names and numbers as in the System V ABI, chapters 4 (sections, symbols) and 5.
SHT_SYMTAB = 2
SHT_RELA = 4
SHT_NOBITS = 8
SHT_REL = 9
SHF_ALLOC = 0x2
SHN_UNDEFINED = 0
SHN_LORESERVE = 0xFF00
STB_LOCAL = 0


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one of the two classes of ELF files lays out its records; `symbol_fields` gives the order used here."""

    header: struct.Struct
    section: struct.Struct
    symbol: struct.Struct
    symbol_fields: tuple[int, ...]
    relocation: struct.Struct
    relocation_with_addend: struct.Struct
    symbol_shift: int


_LAYOUTS = {
    1: _Layout(
        header=struct.Struct("<16sHHIIIIIHHHHHH"),
        section=struct.Struct("<10I"),
        symbol=struct.Struct("<IIIBBH"),
        symbol_fields=(0, 1, 2, 3, 5),
        relocation=struct.Struct("<II"),
        relocation_with_addend=struct.Struct("<IIi"),
        symbol_shift=8,
    ),
    2: _Layout(
        header=struct.Struct("<16sHHIQQQIHHHHHH"),
        section=struct.Struct("<IIQQQQIIQQ"),
        symbol=struct.Struct("<IBBHQQ"),
        symbol_fields=(0, 4, 5, 1, 3),
        relocation=struct.Struct("<QQ"),
        relocation_with_addend=struct.Struct("<QQq"),
        symbol_shift=32,
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section header."""

    index: int
    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int

    @property
    def is_loaded(self) -> bool:
        """Tell whether the section occupies memory on the target."""
        return bool(self.flags & SHF_ALLOC) and self.size > 0


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    """One entry of the symbol table."""

    name: str
    value: int
    size: int
    kind: int
    binding: int
    section: int


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place that the linker had to fill in: in which section, how, and with the address of what."""

    section: int
    offset: int
    kind: int
    symbol: ElfSymbol


class ElfFile:
    """An ELF file in memory."""

    def __init__(self, content: bytes) -> None:
        layout = _LAYOUTS.get(content[4]) if content[:4] == b"\x7fELF" and content[5:6] == b"\1" else None
        if layout is None:
            raise ToolchainError("The toolchain did not write a little-endian ELF file")
        self.content = content
        self._layout = layout
        header = layout.header.unpack_from(content)
        self.machine: int = header[2]
        self.entry: int = header[4]
        self.sections = self._read_sections(offset=header[6], count=header[12], names_index=header[13])

    def section(self, name: str) -> Section | None:
        """Find a section by name."""
        return next((section for section in self.sections if section.name == name), None)

    def data(self, section: Section) -> bytes:
        """The bytes of a section; a section without content is all zero."""
        if section.kind == SHT_NOBITS:
            return bytes(section.size)
        return self.content[section.offset : section.offset + section.size]

    @cached_property
    def symbols(self) -> tuple[ElfSymbol, ...]:
        """The whole symbol table, in the file's order."""
        table = next((section for section in self.sections if section.kind == SHT_SYMTAB), None)
        if table is None:
            return ()
        names = self.data(self.sections[table.link])
        records = self._layout.symbol.iter_unpack(self.data(table))
        return tuple(
            ElfSymbol(_text(names, name), value, size, info & 15, info >> 4, section)
            for name, value, size, info, section in (
                tuple(record[field] for field in self._layout.symbol_fields) for record in records
            )
        )

    @property
    def undefined(self) -> frozenset[str]:
        """Names that the file uses and does not define."""
        return frozenset(s.name for s in self.symbols if s.section == SHN_UNDEFINED and s.name)

    @property
    def defined(self) -> frozenset[str]:
        """Names that the file defines for others."""
        return frozenset(s.name for s in self.symbols if s.section != SHN_UNDEFINED and s.binding != STB_LOCAL)

    @property
    def relocations(self) -> tuple[Relocation, ...]:
        """All relocations that apply to sections in the target's memory."""
        shift = self._layout.symbol_shift
        found: list[Relocation] = []
        for table in self.sections:
            if table.kind in (SHT_REL, SHT_RELA) and self.sections[table.info].flags & SHF_ALLOC:
                has_addend = table.kind == SHT_RELA
                record = self._layout.relocation_with_addend if has_addend else self._layout.relocation
                found += (
                    Relocation(table.info, offset, info & ((1 << shift) - 1), self.symbols[info >> shift])
                    for offset, info, *_ in record.iter_unpack(self.data(table))
                )
        return tuple(found)

    def _read_sections(self, *, offset: int, count: int, names_index: int) -> tuple[Section, ...]:
        section = self._layout.section
        raw = [section.unpack_from(self.content, offset + index * section.size) for index in range(count)]
        names_offset, names_size = raw[names_index][4], raw[names_index][5]
        names = self.content[names_offset : names_offset + names_size]
        return tuple(
            Section(index, _text(names, name), kind, flags, address, offset, size, link, info, alignment)
            for index, (name, kind, flags, address, offset, size, link, info, alignment, _) in enumerate(raw)
        )


def _text(names: bytes, offset: int) -> str:
    return names[offset : names.index(b"\0", offset)].decode("utf-8", "replace")
