"""An emulated microcontroller core. The only module that imports unicorn, which is licensed under the GPL-2.0.

The core starts each call from the same state, sees only the regions that it was given, and must follow the procedure
call standard: callee-saved registers and the stack pointer come back as they were.
"""

import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import unicorn
from unicorn import arm64_const, arm_const, riscv_const, x86_const

from lwm2m_ml.compiler.emulator.counting import CountedCode, NativeCounter, PythonCounter, native_library
from lwm2m_ml.compiler.emulator.errors import EmulationFault, InstructionLimitPassed, StackOverflow
from lwm2m_ml.compiler.emulator.machine import PAGE_BYTES, CallResult, Region
from lwm2m_ml.compiler.emulator.runner import DEFAULT_INSTRUCTION_LIMIT
from lwm2m_ml.compiler.emulator.stack_paint import StackPaint
from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.errors import UsageError

# Where a call returns to: a page of its own, so that the emulator stops there and nowhere else. It lies in the code
# area of Armv7-M's memory map (DDI 0403 §B3.1); outside of it the core executes nothing, or faults on odd addresses.
_RETURN_ADDRESS = 0x1FFF_F000
_LAST_ADDRESS = 0x4000_0000
_TRANSLATION_BUFFER_BYTES = 8 * 1024 * 1024
_PATTERN = 0x5AC3_0F00
_WORD = 0xFFFF_FFFF
_MAX_MEMORY_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Core:
    """How unicorn names an architecture's registers."""

    architecture: int
    mode: int
    stack_pointer: int
    return_register: int | None
    program_counter: int
    arguments: tuple[int, ...]
    return_value: int
    callee_saved: tuple[int, ...]
    code_bit: int
    fpu_switch: tuple[int, int] | None
    has_fixed_lengths: bool
    interrupt_names: Mapping[int, str]


def _registers(module: Any, prefix: str, numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(getattr(module, f"{prefix}{number}") for number in numbers)


# Numbers of exceptions: QEMU's target/arm/cpu.h and the RISC-V privileged specification, table of mcause.
_CORES: Mapping[Architecture, _Core] = {
    Architecture.THUMB: _Core(
        architecture=unicorn.UC_ARCH_ARM,
        # UC_MODE_MCLASS would replace the chosen model by a Cortex-M33 without a word.
        mode=unicorn.UC_MODE_THUMB,
        stack_pointer=arm_const.UC_ARM_REG_SP,
        return_register=arm_const.UC_ARM_REG_LR,
        program_counter=arm_const.UC_ARM_REG_PC,
        arguments=_registers(arm_const, "UC_ARM_REG_R", range(4)),
        return_value=arm_const.UC_ARM_REG_R0,
        callee_saved=_registers(arm_const, "UC_ARM_REG_R", range(4, 12)),
        code_bit=1,
        fpu_switch=(arm_const.UC_ARM_REG_FPEXC, 0x4000_0000),
        has_fixed_lengths=True,
        interrupt_names={
            1: "undefined instruction",
            2: "supervisor call",
            4: "unaligned access or bad data address",
            7: "breakpoint",
            17: "use of a coprocessor or FPU that is not there",
            18: "instruction in an invalid state",
        },
    ),
    Architecture.RISCV32: _Core(
        architecture=unicorn.UC_ARCH_RISCV,
        mode=unicorn.UC_MODE_RISCV32,
        stack_pointer=riscv_const.UC_RISCV_REG_SP,
        return_register=riscv_const.UC_RISCV_REG_RA,
        program_counter=riscv_const.UC_RISCV_REG_PC,
        arguments=_registers(riscv_const, "UC_RISCV_REG_A", range(8)),
        return_value=riscv_const.UC_RISCV_REG_A0,
        callee_saved=_registers(riscv_const, "UC_RISCV_REG_S", range(12)),
        code_bit=0,
        # mstatus.FS: not off.
        fpu_switch=(riscv_const.UC_RISCV_REG_MSTATUS, 0x6000),
        has_fixed_lengths=True,
        interrupt_names={
            2: "illegal instruction",
            3: "breakpoint",
            4: "misaligned load",
            6: "misaligned store",
            8: "environment call",
            11: "environment call",
        },
    ),
    Architecture.X86_64: _Core(
        architecture=unicorn.UC_ARCH_X86,
        mode=unicorn.UC_MODE_64,
        stack_pointer=x86_const.UC_X86_REG_RSP,
        # The return address lies on the stack.
        return_register=None,
        program_counter=x86_const.UC_X86_REG_RIP,
        arguments=tuple(getattr(x86_const, f"UC_X86_REG_{name}") for name in ("RDI", "RSI", "RDX", "RCX")),
        return_value=x86_const.UC_X86_REG_EAX,
        callee_saved=tuple(
            getattr(x86_const, f"UC_X86_REG_{name}") for name in ("RBX", "RBP", "R12", "R13", "R14", "R15")
        ),
        code_bit=0,
        fpu_switch=None,
        has_fixed_lengths=False,
        interrupt_names={0: "division by zero", 3: "breakpoint", 6: "invalid instruction", 13: "general protection"},
    ),
    Architecture.AARCH64: _Core(
        architecture=unicorn.UC_ARCH_ARM64,
        mode=unicorn.UC_MODE_ARM,
        stack_pointer=arm64_const.UC_ARM64_REG_SP,
        return_register=arm64_const.UC_ARM64_REG_LR,
        program_counter=arm64_const.UC_ARM64_REG_PC,
        arguments=_registers(arm64_const, "UC_ARM64_REG_X", range(8)),
        return_value=arm64_const.UC_ARM64_REG_W0,
        callee_saved=_registers(arm64_const, "UC_ARM64_REG_X", range(19, 30)),
        code_bit=0,
        fpu_switch=(arm64_const.UC_ARM64_REG_CPACR_EL1, 0x0030_0000),
        has_fixed_lengths=False,
        interrupt_names={1: "undefined instruction", 2: "supervisor call", 4: "bad data address", 7: "breakpoint"},
    ),
}
# None: unicorn's default model of the architecture.
_MODELS: Mapping[str, int | None] = {
    "cortex-m0": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
    "rv32": riscv_const.UC_CPU_RISCV32_ANY,
    "x86-64": None,
    "aarch64": None,
}
_ACCESS_NAMES: Mapping[int, str] = {
    unicorn.UC_MEM_READ_UNMAPPED: "read of unmapped memory",
    unicorn.UC_MEM_WRITE_UNMAPPED: "write to unmapped memory",
    unicorn.UC_MEM_FETCH_UNMAPPED: "jump to unmapped memory",
    unicorn.UC_MEM_READ_PROT: "read of protected memory",
    unicorn.UC_MEM_WRITE_PROT: "write to protected memory",
    unicorn.UC_MEM_FETCH_PROT: "jump to memory that holds data",
}


class Machine:
    """One emulated core with its memory, to be called any number of times, from one thread at a time."""

    def __init__(
        self, target: Target, *, regions: Sequence[Region], native_counting: bool = True, profile: bool = False
    ) -> None:
        core = _CORES.get(target.architecture)
        if core is None or target.emulator_cpu is None or target.emulator_cpu not in _MODELS:
            raise UsageError(f"The emulator does not execute code for {target.name} ({target.title})")
        _check_regions(regions)
        self.target = target
        self.regions = tuple(regions)
        self._core = core
        self._lock = threading.Lock()
        self._fault: EmulationFault | None = None
        self._paints: dict[Region, StackPaint] = {}
        self._engine = unicorn.Uc(core.architecture, core.mode)
        model = _MODELS[target.emulator_cpu]
        if model is not None:
            self._engine.ctl_set_cpu_model(model)
        self._engine.ctl_set_tcg_buffer_size(_TRANSLATION_BUFFER_BYTES)
        self._code = self._map_regions()
        self._prepare_registers()
        # Code translated before a hook is added would run without it.
        self._engine.ctl_flush_tb()
        self._counter = self._add_counter(native_counting, profile)
        self._add_fault_hooks()
        self._initial = self._engine.context_save()

    @property
    def counts_natively(self) -> bool:
        """Tell whether the fast counter is in use."""
        return isinstance(self._counter, NativeCounter)

    def write(self, address: int, content: bytes) -> None:
        """Write memory, code included."""
        region = self._region(address, len(content))
        if region.executable:
            self._engine.ctl_remove_cache(region.address, region.end)
            self._counter.forget()
        self._paints.pop(region, None)
        self._engine.mem_write(address, bytes(content))

    def read(self, address: int, length: int) -> bytes:
        """Read memory."""
        self._region(address, length)
        return bytes(self._engine.mem_read(address, length))

    def call(
        self,
        entry_address: int,
        *arguments: int,
        stack_top: int,
        instruction_limit: int = DEFAULT_INSTRUCTION_LIMIT,
    ) -> CallResult:
        """Call a function and wait for its return; raises `EmulationFault` when it does not get there."""
        with self._lock:
            paint = self._paint_below(stack_top)
            self._engine.context_restore(self._initial)
            self._pass_arguments(arguments, stack_top)
            self._counter.start(instruction_limit)
            self._fault = None
            self._run(entry_address, instruction_limit)
            self._check_convention(stack_top)
            value = int(self._engine.reg_read(self._core.return_value))
            return CallResult(value, int(self._counter.instructions), paint.measure(self._engine))

    def profile(self) -> dict[int, int]:
        """Where the last call spent its instructions: by address of the basic block. Ask for it at construction."""
        return self._counter.profile()

    def _map_regions(self) -> list[CountedCode]:
        engine, code = self._engine, []
        executable, writable = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
        for region in self.regions:
            if region.executable:
                memory = _page_aligned(region.bytes)
                engine.mem_map_ptr(region.address, region.bytes, executable, ctypes.addressof(memory))
                code.append(CountedCode(region.address, memory))
            else:
                engine.mem_map(region.address, region.bytes, writable)
        engine.mem_map(_RETURN_ADDRESS, PAGE_BYTES, executable)
        return code

    def _prepare_registers(self) -> None:
        if self.target.has_fpu and self._core.fpu_switch is not None:
            register, enabled = self._core.fpu_switch
            self._engine.reg_write(register, enabled)
        for index, register in enumerate(self._core.callee_saved):
            self._engine.reg_write(register, _PATTERN + index)
        if self._core.return_register is not None:
            self._engine.reg_write(self._core.return_register, _RETURN_ADDRESS | self._core.code_bit)

    def _add_counter(self, native: bool, profile: bool) -> NativeCounter | PythonCounter:
        is_riscv = self.target.architecture is Architecture.RISCV32
        library = native_library() if native else None
        interface = _native_interface() if library is not None else None
        if library is None or interface is None:
            counter = PythonCounter(self._code, is_riscv=is_riscv)
            if self._core.has_fixed_lengths:
                self._engine.hook_add(unicorn.UC_HOOK_BLOCK, counter.count)
            else:
                self._engine.hook_add(unicorn.UC_HOOK_CODE, counter.count_one)
            return counter
        fast = NativeCounter(
            self._code, is_riscv=is_riscv, library=library, stop=interface.uc_emu_stop, profile=profile
        )
        status = interface.uc_hook_add(
            self._engine._uch,
            ctypes.byref(ctypes.c_size_t()),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK if self._core.has_fixed_lengths else unicorn.UC_HOOK_CODE),
            fast.count_block if self._core.has_fixed_lengths else fast.count_one,
            fast.data,
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != unicorn.UC_ERR_OK:
            raise EmulationFault(f"The emulator refused the counting hook: {unicorn.UcError(status)}")
        return fast

    def _add_fault_hooks(self) -> None:
        self._engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)
        self._engine.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)

    def _paint_below(self, stack_top: int) -> StackPaint:
        region = self._region(stack_top - 4, 4)
        paint = self._paints.get(region)
        if paint is None or paint.top != stack_top:
            paint = self._paints[region] = StackPaint(region.address, stack_top)
        paint.apply(self._engine)
        return paint

    def _pass_arguments(self, arguments: Sequence[int], stack_top: int) -> None:
        if len(arguments) > len(self._core.arguments) or stack_top % 16:
            raise UsageError("Too many arguments for registers, or a stack that is not aligned to 16 bytes")
        pointer = stack_top
        if self._core.return_register is None:
            pointer -= 8
            self._engine.mem_write(pointer, _RETURN_ADDRESS.to_bytes(8, "little"))
        self._engine.reg_write(self._core.stack_pointer, pointer)
        for register, value in zip(self._core.arguments, arguments, strict=False):
            self._engine.reg_write(register, value & _WORD)

    def _run(self, entry_address: int, instruction_limit: int) -> None:
        try:
            self._engine.emu_start(entry_address | self._core.code_bit, _RETURN_ADDRESS)
        except unicorn.UcError as error:
            raise self._fault or self._illegal_instruction(error) from None
        if self._fault is not None:
            raise self._fault
        address = self._program_counter()
        if self._counter.instructions > instruction_limit:
            raise InstructionLimitPassed(
                f"The code ran more than {instruction_limit:,} instructions, last at {address:#010x}", address=address
            )
        if address != _RETURN_ADDRESS:
            raise EmulationFault(f"The core went to sleep at {address:#010x}", address=address)

    def _check_convention(self, stack_top: int) -> None:
        for index, register in enumerate(self._core.callee_saved):
            if self._engine.reg_read(register) != _PATTERN + index:
                raise EmulationFault(f"The code returned without restoring callee-saved register number {index}")
        if self._engine.reg_read(self._core.stack_pointer) != stack_top:
            raise EmulationFault("The code returned with another stack pointer than it was called with")

    def _on_bad_access(self, _: Any, access: int, address: int, size: int, __: int, ___: Any) -> bool:
        where = self._program_counter()
        below = [paint for region, paint in self._paints.items() if region.address - PAGE_BYTES <= address < paint.low]
        if below and access in (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_READ_UNMAPPED):
            what = f"{_ACCESS_NAMES[access]} at {address:#010x}"
            self._fault = StackOverflow(
                f"The stack overflowed: {what}, by the instruction at {where:#010x}", address=where
            )
            return False
        name = _ACCESS_NAMES.get(access, "bad access")
        region = next((f" ({region.name})" for region in self.regions if region.holds(address)), "")
        self._fault = EmulationFault(
            f"{_sentence_start(name)}: {size} bytes at {address:#010x}{region}, by the instruction at {where:#010x}",
            address=where,
        )
        return False

    def _on_interrupt(self, engine: Any, number: int, _: Any) -> None:
        # The program counter is behind the instruction by then: 4 bytes on RISC-V, 2 after a supervisor call on Arm.
        is_riscv = self.target.architecture is Architecture.RISCV32
        where = self._program_counter() - (4 if is_riscv else 2 if number == 2 else 0)
        name = self._core.interrupt_names.get(number, f"exception {number}")
        self._fault = EmulationFault(f"{_sentence_start(name)} at {where:#010x}", address=where)
        engine.emu_stop()

    def _illegal_instruction(self, error: unicorn.UcError) -> EmulationFault:
        address = self._program_counter()
        return EmulationFault(f"{error} at {address:#010x}", address=address)

    def _program_counter(self) -> int:
        return int(self._engine.reg_read(self._core.program_counter))

    def _region(self, address: int, length: int) -> Region:
        for region in self.regions:
            if region.holds(address, length):
                return region
        raise EmulationFault(f"There is no memory for {length} bytes at {address:#010x}", address=address)


def _check_regions(regions: Sequence[Region]) -> None:
    ordered = sorted(regions, key=lambda region: region.address)
    for region in ordered:
        if region.address % PAGE_BYTES or region.bytes % PAGE_BYTES or region.bytes <= 0 or region.address < 0:
            raise UsageError(f"Memory region {region.name} does not consist of whole pages of {PAGE_BYTES} bytes")
        if region.end > _LAST_ADDRESS or region.holds(_RETURN_ADDRESS):
            raise UsageError(f"Memory region {region.name} at {region.address:#010x} is out of bounds")
    for first, second in pairwise(ordered):
        if first.end > second.address:
            raise UsageError(f"Memory regions {first.name} and {second.name} overlap")
    if sum(region.bytes for region in ordered) > _MAX_MEMORY_BYTES:
        raise UsageError(f"An emulated machine has at most {_MAX_MEMORY_BYTES:,} bytes of memory")


def _sentence_start(text: str) -> str:
    return text[:1].upper() + text[1:]


def _page_aligned(size: int) -> "ctypes.Array[ctypes.c_char]":
    """Memory of the host at a page's start, as unicorn wants it."""
    memory = ctypes.create_string_buffer(size + PAGE_BYTES)
    return (ctypes.c_char * size).from_buffer(memory, -ctypes.addressof(memory) % PAGE_BYTES)


def _native_interface() -> Any:
    """Unicorn's own shared library; None when this version keeps it elsewhere."""
    try:
        from unicorn.unicorn_py3.unicorn import uclib  # noqa: PLC0415  # not part of its public interface
    except ImportError:
        return None
    return uclib
