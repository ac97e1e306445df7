"""Rejects machine code that holds instructions which its target does not execute.

Emulators are more generous than silicon (unicorn's Cortex-M3 executes SMLAD), so the instructions themselves are read,
with capstone, and each must belong to a feature that the target has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import capstone

from lwm2m_ml.compiler.targets import Architecture, Target, normalised_flags
from lwm2m_ml.errors import Lwm2mMlError


class InstructionSetError(Lwm2mMlError):
    """The code holds an instruction that the target does not execute."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction; `name` is the mnemonic without condition, empty when the bytes mean nothing."""

    address: int
    raw: bytes
    name: str
    text: str


# Armv7-M Architecture Reference Manual (DDI 0403) §A5.3: the 32-bit encodings that Armv6-M has too.
_ARMV6M_WIDE = frozenset({"bl", "dmb", "dsb", "isb", "mrs", "msr"})
_NOT_ARMV6M = frozenset({"it", "cbz", "cbnz"})
# DDI 0403 §A4.4.3 to §A4.4.6: what the DSP extension adds.
_DSP_NAMES = """
    pkhbt pkhtb qadd qadd16 qadd8 qasx qdadd qdsub qsax qsub qsub16 qsub8 sadd16 sadd8 sasx sel shadd16 shadd8 shasx
    shsax shsub16 shsub8 smlabb smlabt smlatb smlatt smlad smladx smlalbb smlalbt smlaltb smlaltt smlald smlaldx smlawb
    smlawt smlsd smlsdx smlsld smlsldx smmla smmlar smmls smmlsr smmul smmulr smuad smuadx smulbb smulbt smultb smultt
    smulwb smulwt smusd smusdx ssat16 ssax ssub16 ssub8 sxtab sxtab16 sxtah sxtb16 uadd16 uadd8 uasx uhadd16 uhadd8
    uhasx uhsax uhsub16 uhsub8 umaal uqadd16 uqadd8 uqasx uqsax uqsub16 uqsub8 usad8 usada8 usat16 usax usub16 usub8
    uxtab uxtab16 uxtah uxtb16
"""
_ARMV8M_BASE_NAMES = "lda ldab ldah ldaex ldaexb ldaexh stl stlb stlh stlex stlexb stlexh sg bxns blxns tt"
_THUMB_FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(_DSP_NAMES.split(), "dsp"),
    **dict.fromkeys(("sdiv", "udiv"), "idiv"),
    **dict.fromkeys(_ARMV8M_BASE_NAMES.split(), "armv8-m.base"),
}
# FPv5 adds these to FPv4 (DDI 0403 §A2.5).
_FPV5_PREFIXES = ("vrint", "vsel", "vmaxnm", "vminnm", "vcvta", "vcvtn", "vcvtp", "vcvtm")
_RISCV_MULTIPLY = frozenset({"mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu"})
_RISCV_SYSTEM = frozenset({"fence", "fence.i"})


def check_instructions(code: bytes, ranges: Sequence[tuple[int, int]], target: Target) -> None:
    """Check the instructions in the byte ranges of `code`; raises `InstructionSetError` naming the first offender."""
    wants = _REQUIREMENTS.get(target.architecture)
    if wants is None:
        return
    flags = normalised_flags(target.isa)
    for instruction in disassemble(code, ranges, target):
        missing = [flag for flag in wants(instruction) if flag not in flags]
        if missing:
            raise InstructionSetError(_sentence(instruction, missing[0], target))


def disassemble(code: bytes, ranges: Sequence[tuple[int, int]], target: Target) -> Iterator[Instruction]:
    """Decode the instructions in the byte ranges of `code`; addresses are offsets into it."""
    decoder = _decoder(target)
    for start, end in ranges:
        offset = start
        while offset < end:
            for found in decoder.disasm(code[offset:end], offset):
                name = decoder.insn_name(found.id) or found.mnemonic
                yield Instruction(found.address, bytes(found.bytes), name, f"{found.mnemonic} {found.op_str}".strip())
                offset = found.address + found.size
            if offset < end:
                length = min(_length(code, offset, target.architecture), end - offset)
                yield Instruction(offset, code[offset : offset + length], "", "no known instruction")
                offset += length


def _decoder(target: Target) -> capstone.Cs:
    if target.architecture is Architecture.RISCV32:
        return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    if "armv8-m.base" in normalised_flags(target.isa):
        mode |= capstone.CS_MODE_V8
    return capstone.Cs(capstone.CS_ARCH_ARM, mode)


def _length(code: bytes, offset: int, architecture: Architecture) -> int:
    """The length of the instruction at an offset, from its first halfword alone."""
    half = int.from_bytes(code[offset : offset + 2], "little")
    if architecture is Architecture.RISCV32:
        return 4 if half & 3 == 3 else 2
    return 4 if half >> 11 >= 0x1D else 2


def _thumb_requirements(instruction: Instruction) -> Iterable[str]:
    """The flags that a core needs for a Thumb instruction."""
    name = instruction.name
    if not name:
        # capstone 5 does not decode Helium; whatever else it cannot read, no core of ours executes.
        return ("mve",)
    if name in _THUMB_FAMILIES:
        return (_THUMB_FAMILIES[name],)
    if name.startswith("v"):
        return _floating_point(instruction)
    is_wide = len(instruction.raw) == 4
    if (is_wide and name not in _ARMV6M_WIDE) or name in _NOT_ARMV6M:
        # Armv8-M Baseline has a few of these too; no core of that kind is described yet.
        return ("armv7-m",)
    return ("armv6-m",)


def _floating_point(instruction: Instruction) -> Iterable[str]:
    mnemonic = instruction.text.split(" ", 1)[0]
    if ".f64" in mnemonic:
        return ("fpv5-d16",)
    return ("fpv5-sp-d16",) if mnemonic.startswith(_FPV5_PREFIXES) else ("fpv4-sp-d16",)


def _riscv_requirements(instruction: Instruction) -> Iterable[str]:
    """The extensions that a core needs for a RISC-V instruction."""
    name = instruction.name
    if not name:
        return ("an extension that is not known here",)
    needed = ["c"] if len(instruction.raw) == 2 else []
    plain = name.removeprefix("c.")
    if plain in _RISCV_MULTIPLY:
        needed.append("m")
    elif plain.startswith(("amo", "lr.", "sc.")):
        needed.append("a")
    elif plain.startswith("f") and plain not in _RISCV_SYSTEM:
        needed.append("d" if plain.endswith((".d", "ld", "sd", "ldsp", "sdsp")) else "f")
    return needed or ("rv32i",)


_REQUIREMENTS: Mapping[Architecture, Callable[[Instruction], Iterable[str]]] = {
    Architecture.THUMB: _thumb_requirements,
    Architecture.RISCV32: _riscv_requirements,
}


def _sentence(instruction: Instruction, flag: str, target: Target) -> str:
    return (
        f"The code holds `{instruction.text}` ({instruction.raw.hex(' ')}) at offset {instruction.address:#x}, "
        f"which needs {flag}; {target.title} has {' '.join(target.isa)}"
    )
