"""What the compiler knows of a microcontroller: its instruction set, its memories and how to compile for it."""

from dataclasses import dataclass
from enum import StrEnum

from lwm2m_ml.compiler.targets.flags import normalised_flags


class Architecture(StrEnum):
    """The families of machine code that this project knows."""

    THUMB = "thumb"
    RISCV32 = "riscv32"
    XTENSA = "xtensa"
    WASM32 = "wasm32"
    X86_64 = "x86-64"
    AARCH64 = "aarch64"


class Proof(StrEnum):
    """The tool that executes a module of a target, to prove it before it is released."""

    UNICORN = "unicorn"
    QEMU = "qemu"
    WASMTIME = "wasmtime"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """One contiguous piece of memory."""

    name: str
    bytes: int
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """Geometry of the non-volatile memory that holds modules, in bytes."""

    write_alignment: int | None = None
    erase_block: int | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """Active power as a source states it."""

    active_watts: float
    source: str


@dataclass(frozen=True, slots=True)
class Target:
    """A processor core, or a microcontroller built around one.

    A figure that is not known for certain is None. `core` is the name of the target that gives the instruction set;
    for a core itself it is its own name. `isa` holds the flags of LwM2M object 42769, resource Instruction Set.
    `source` names the files that the figures were read in; those of `from_memory` nobody has looked up yet.
    `accelerators` names units beside the processor as their compilers do: `ethos-u55-128`.
    """

    name: str
    core: str
    title: str
    architecture: Architecture
    isa: tuple[str, ...]
    compiler_flags: tuple[str, ...]
    emulator_cpu: str | None
    proof: Proof
    source: str
    family: str | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    ram_banks: tuple[MemoryBank, ...] = ()
    clock_hz: int | None = None
    storage: Storage | None = None
    power: Power | None = None
    accelerators: tuple[str, ...] = ()
    from_memory: tuple[str, ...] = ()

    @property
    def is_core(self) -> bool:
        """Tell whether this is a bare core, without memories of its own."""
        return self.core == self.name

    @property
    def can_compile(self) -> bool:
        """Tell whether the built-in toolchain produces machine code for it."""
        return bool(self.compiler_flags)

    @property
    def ram_regions(self) -> tuple[int, ...]:
        """Bytes of each contiguous piece of RAM, the largest first: banks that adjoin are one."""
        regions: list[int] = []
        end: int | None = None
        for bank in sorted(self.ram_banks, key=lambda bank: (bank.address is None, bank.address or 0)):
            if bank.address is not None and bank.address == end:
                regions[-1] += bank.bytes
            else:
                regions.append(bank.bytes)
            end = None if bank.address is None else bank.address + bank.bytes
        return tuple(sorted(regions, reverse=True))

    @property
    def has_fpu(self) -> bool:
        """Tell whether the core has a floating-point unit of its own."""
        return not normalised_flags(self.isa).isdisjoint(("fpv4-sp-d16", "mve.fp", "f", "x86-64", "aarch64"))

    def has(self, *flags: str) -> bool:
        """Tell whether the instruction set has all of these flags, implied ones included (`armv7e-m` has `dsp`)."""
        return normalised_flags(self.isa).issuperset(flags)
