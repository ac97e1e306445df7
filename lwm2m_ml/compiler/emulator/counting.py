"""Counts the instructions that an emulated core executes, exactly: in C when zig can build it, else in Python.

The emulator reports every basic block that it is about to run. How many instructions a block has is read from its bytes
once (the length of an instruction shows in its first halfword), then remembered. Where that does not hold, on the
64-bit architectures, every instruction is reported.
"""

import ctypes
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_version
from lwm2m_ml.errors import Lwm2mMlError

_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
_FLAGS = ("-mcpu=baseline", "-O2", "-g0", "-fno-sanitize=all", "-fno-stack-protector", "-shared", "-fPIC", "-nostdlib")


@dataclass(frozen=True, slots=True)
class CountedCode:
    """A region of code in which instructions are counted; `content` is the very memory that the emulator runs."""

    address: int
    content: "ctypes.Array[ctypes.c_char]"

    @property
    def bytes(self) -> int:
        """The size of the region."""
        return len(self.content)


class PythonCounter:
    """The portable counter: slow, about 20 million instructions a second."""

    def __init__(self, regions: Sequence[CountedCode], *, is_riscv: bool) -> None:
        self._regions = regions
        self._is_riscv = is_riscv
        self._blocks: dict[tuple[int, int], int] = {}
        self._executed: Counter[int] = Counter()
        self.instructions = 0
        self.limit = 0

    def forget(self) -> None:
        """Forget the blocks seen so far, because the code has changed."""
        self._blocks.clear()

    def start(self, limit: int) -> None:
        """Count from zero."""
        self.instructions = 0
        self.limit = limit
        self._executed.clear()

    def profile(self) -> dict[int, int]:
        """Instructions since `start`, by the address of the block that they belong to."""
        return dict(self._executed)

    def count(self, engine: Any, address: int, size: int, _: object) -> None:
        """Count one block; the emulator calls this."""
        count = self._blocks.get((address, size))
        if count is None:
            count = self._blocks[address, size] = self._instructions_in(address, size)
        self.instructions += count
        self._executed[address] += count
        if self.instructions > self.limit:
            engine.emu_stop()

    def count_one(self, engine: Any, address: int, _: int, __: object) -> None:
        """Count one instruction; the emulator calls this where it reports single instructions."""
        self.instructions += 1
        self._executed[address & ~1] += 1
        if self.instructions > self.limit:
            engine.emu_stop()

    def _instructions_in(self, address: int, size: int) -> int:
        for region in self._regions:
            offset = address - region.address
            if offset >= 0 and offset + size <= region.bytes:
                code = ctypes.string_at(ctypes.addressof(region.content) + offset, size)
                return instructions_in(code, is_riscv=self._is_riscv)
        return 0


def instructions_in(code: bytes, *, is_riscv: bool) -> int:
    """Count the instructions in a run of machine code."""
    offset = count = 0
    while offset < len(code):
        half = int.from_bytes(code[offset : offset + 2], "little")
        is_wide = half & 3 == 3 if is_riscv else half >> 11 >= 0x1D
        offset += 4 if is_wide else 2
        count += 1
    return count


class _Region(ctypes.Structure):
    _fields_ = [
        ("address", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("blocks", ctypes.c_void_p),
        ("executed", ctypes.c_void_p),
    ]


class _Counter(ctypes.Structure):
    _fields_ = [
        ("instructions", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
        ("is_riscv", ctypes.c_uint32),
        ("region_count", ctypes.c_uint32),
        ("regions", ctypes.c_void_p),
    ]


class NativeCounter:
    """The counter in C: hundreds of millions of instructions a second."""

    def __init__(
        self, regions: Sequence[CountedCode], *, is_riscv: bool, library: ctypes.CDLL, stop: Any, profile: bool = False
    ) -> None:
        self.count_block = ctypes.cast(library.count_block, ctypes.c_void_p)
        self.count_one = ctypes.cast(library.count_instruction, ctypes.c_void_p)
        self._blocks = [(ctypes.c_uint32 * (region.bytes // 2))() for region in regions]
        self._executed = [(ctypes.c_uint64 * (region.bytes // 2))() for region in regions] if profile else []
        self._kept = regions
        self._regions = (_Region * len(regions))(
            *(
                _Region(region.address, region.bytes, ctypes.addressof(region.content), ctypes.addressof(blocks), None)
                for region, blocks in zip(regions, self._blocks, strict=True)
            )
        )
        for record, executed in zip(self._regions, self._executed, strict=False):
            record.executed = ctypes.addressof(executed)
        self._state = _Counter(
            0, 0, ctypes.cast(stop, ctypes.c_void_p), is_riscv, len(regions), ctypes.addressof(self._regions)
        )

    @property
    def data(self) -> ctypes.c_void_p:
        """What the emulator hands to the C function at every block."""
        return ctypes.c_void_p(ctypes.addressof(self._state))

    @property
    def instructions(self) -> int:
        """Instructions counted since `start`."""
        return int(self._state.instructions)

    def start(self, limit: int) -> None:
        """Count from zero; the emulator stops when the count passes the limit."""
        self._state.instructions = 0
        self._state.limit = limit
        for table in self._executed:
            ctypes.memset(table, 0, ctypes.sizeof(table))

    def profile(self) -> dict[int, int]:
        """Instructions since `start`, by the address of the block that they belong to; empty when not asked for."""
        found: dict[int, int] = {}
        for region, table in zip(self._kept, self._executed, strict=False):
            counts = numpy.ctypeslib.as_array(table)
            for index in numpy.flatnonzero(counts):
                found[region.address + 2 * int(index)] = int(counts[index])
        return found

    def forget(self) -> None:
        """Forget the blocks seen so far, because the code has changed."""
        for table in self._blocks:
            ctypes.memset(table, 0, ctypes.sizeof(table))


@cache
def native_library() -> ctypes.CDLL | None:
    """The C counter, built by zig at first use; None when it cannot be built or loaded here."""
    source = (resources.files(__package__) / "block_hook.c").read_text("utf-8")

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            (work / "block_hook.c").write_text(source, "utf-8")
            output = f"library{_SUFFIX}"
            run_zig(["cc", *_FLAGS, "block_hook.c", "-o", output], directory=work)
            path.write_bytes((work / output).read_bytes())

    try:
        digest = digest_of([zig_version(), sys.platform, platform.machine(), *_FLAGS, source])
        return ctypes.CDLL(str(cached_file("host", digest, _SUFFIX, make)))
    except (Lwm2mMlError, OSError):
        return None
