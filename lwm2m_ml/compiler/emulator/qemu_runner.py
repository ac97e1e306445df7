"""Runs Cortex-M55 modules in QEMU, a program of its own that need not be installed: one process for each inference.

QEMU's virtual time moves one nanosecond with each instruction (`-icount shift=0`); the core's timer ticks every
31.25 ns of it, so that instructions are counted to within 32.
"""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from lwm2m_ml.compiler.emulator.errors import EmulationFault, InstructionLimitPassed, StackOverflow
from lwm2m_ml.compiler.emulator.runner import DEFAULT_INSTRUCTION_LIMIT, Invocation
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.sources import Source, compile_objects
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_version
from lwm2m_ml.errors import MissingToolError

PROGRAM = "qemu-system-arm"
MACHINE = "mps3-an547"
# Secure aliases of AN547's memories: 512 KiB for data, 2 MiB of SRAM, the first MiB of internal SRAM.
_PARAMETERS, _CODE, _ARENA = 0x3000_0000, 0x1100_0000, 0x3100_0000
_STACK_TOP = 0x3007_0000
_CODE_BYTES, _ARENA_BYTES, _STACK_BYTES = 2 << 20, 1 << 20, 256 << 10
_NANOSECONDS_PER_TICK = 31.25
_TIMER_OVERFLOW = 0xFFFF_FFFF
_ALIGNMENT = 16
# What lies around the arena, and in it before the first call: a module must not rely on zeros.
_FILL, _GUARD_BYTES = 0xA5, 4096
_SECONDS = 120
_OUTCOME = struct.Struct("<3I")
_EXIT_FAULT = 3


@cache
def qemu_version() -> str | None:
    """The version of the installed QEMU; None where there is none that has the machine."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    try:
        machines = subprocess.run([program, "-M", "help"], capture_output=True, text=True, timeout=20, check=True)
        version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    first = version.stdout.partition("\n")[0]
    return first.removeprefix("QEMU emulator version ").split(" ")[0] if MACHINE in machines.stdout else None


class QemuRunner:
    """A module that is loaded anew for each inference; the arena keeps its content from one to the next."""

    def __init__(self, payload: bytes, target: Target, *, arena_bytes: int, stack_bytes: int) -> None:
        if qemu_version() is None:
            raise MissingToolError(
                f"{PROGRAM} with the machine {MACHINE} is not installed",
                hint="Install it with: apt install qemu-system-arm",
            )
        region = _GUARD_BYTES * 2 + arena_bytes
        if len(payload) > _CODE_BYTES or region > _ARENA_BYTES or stack_bytes > _STACK_BYTES:
            raise EmulationFault(f"A module of {len(payload):,} B with {arena_bytes:,} B of arena is too large for it")
        self._payload = payload
        self._arena_bytes = arena_bytes
        self._stack_bytes = stack_bytes
        self._region = bytearray([_FILL]) * region
        self._harness = _harness(target)

    def invoke(
        self,
        inputs: Sequence[tuple[int, bytes]],
        outputs: Sequence[tuple[int, int]],
        *,
        instruction_limit: int = DEFAULT_INSTRUCTION_LIMIT,
    ) -> Invocation:
        """Run once, as `Runner` says."""
        for offset, content in inputs:
            start = self._in_arena(offset, len(content))
            self._region[start : start + len(content)] = content
        returned, ticks, stack = self._run()
        instructions = round(ticks * _NANOSECONDS_PER_TICK)
        if ticks == _TIMER_OVERFLOW or instructions > instruction_limit:
            raise InstructionLimitPassed("The code ran more instructions than can be counted")
        self._check_surroundings()
        if stack > self._stack_bytes:
            raise StackOverflow(f"The module used {stack} bytes of a {self._stack_bytes}-byte stack")
        if returned != 0:
            raise EmulationFault(f"The module returned {returned} instead of 0")
        return Invocation(
            outputs=tuple(self._read(offset, length) for offset, length in outputs),
            instructions=instructions,
            stack_bytes=stack,
        )

    def read_arena(self) -> bytes:
        """The arena's present content."""
        return self._read(0, self._arena_bytes)

    def _run(self) -> tuple[int, int, int]:
        arena = _ARENA + _GUARD_BYTES
        limit = _STACK_TOP - self._stack_bytes - _GUARD_BYTES
        parameters = struct.pack("<6I", _CODE | 1, arena, _ARENA, len(self._region), limit, _STACK_TOP)
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            files = {_PARAMETERS: parameters, _CODE: self._payload, _ARENA: bytes(self._region)}
            code = _qemu(work, self._harness, files)
            if code != 0:
                raise EmulationFault(
                    "The module was stopped by a fault" if code == _EXIT_FAULT else f"QEMU gave {code}"
                )
            outcome = (work / "outcome.bin").read_bytes()
        if len(outcome) != _OUTCOME.size + len(self._region):
            raise EmulationFault("QEMU did not write the whole outcome")
        self._region[:] = outcome[_OUTCOME.size :]
        returned, ticks, stack = _OUTCOME.unpack_from(outcome)
        return returned, ticks, stack

    def _check_surroundings(self) -> None:
        guards = (self._region[:_GUARD_BYTES], self._region[_GUARD_BYTES + self._arena_bytes :])
        if any(byte != _FILL for guard in guards for byte in guard):
            raise EmulationFault(f"The module wrote outside its arena of {self._arena_bytes} bytes")

    def _read(self, offset: int, length: int) -> bytes:
        start = self._in_arena(offset, length)
        return bytes(self._region[start : start + length])

    def _in_arena(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self._arena_bytes:
            raise EmulationFault(
                f"Bytes {offset} to {offset + length} lie outside the arena of {self._arena_bytes} bytes"
            )
        return _GUARD_BYTES + offset


def _qemu(work: Path, harness: Path, files: Mapping[int, bytes]) -> int:
    """QEMU's exit code, which is the harness's."""
    command = [PROGRAM, "-M", MACHINE, "-display", "none", "-nodefaults", "-icount", "shift=0"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(harness)]
    for address, content in files.items():
        name = f"{address:08x}.bin"
        (work / name).write_bytes(content)
        command += ["-device", f"loader,file={name},addr={address:#x},force-raw=on"]
    try:
        done = subprocess.run(
            command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InstructionLimitPassed(f"The code did not end within {_SECONDS} s") from None
    return done.returncode


def _harness(target: Target) -> Path:
    directory = resources.files(__package__) / "qemu"
    names = ("harness.c", "startup.S")
    sources = [Source(name, (directory / name).read_text("utf-8"), "size") for name in names]
    objects = compile_objects(sources, {}, target)
    script = (directory / "harness.ld").read_text("utf-8")

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as name:
            work = Path(name)
            (work / "harness.ld").write_text(script, "utf-8")
            arguments = ["ld.lld", "-T", "harness.ld", "--entry=reset", "-o", "out.elf", *map(str, objects)]
            run_zig(arguments, directory=work)
            path.write_bytes((work / "out.elf").read_bytes())

    return cached_file("linked", digest_of([zig_version(), script, *(each.name for each in objects)]), ".elf", make)
