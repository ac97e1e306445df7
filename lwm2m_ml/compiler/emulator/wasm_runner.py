"""Runs a WebAssembly module with wasmtime, an optional dependency.

Its instructions are WebAssembly's own, counted as wasmtime's fuel: one each, structure (`block`, `loop`, `nop`) free.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy

from lwm2m_ml.compiler.emulator.errors import EmulationFault, InstructionLimitPassed, StackOverflow
from lwm2m_ml.compiler.emulator.runner import DEFAULT_INSTRUCTION_LIMIT, Invocation
from lwm2m_ml.compiler.toolchain.webassembly import HEAP_BASE, MEMORY, STACK_BYTES
from lwm2m_ml.errors import MissingExtraError

ENTRY = "module_invoke"
_PAGE_BYTES = 65_536
_MAX_MEMORY_BYTES = 256 * 1024 * 1024
_PAINT = 0xC39A_5D27
_FILL = b"\xa5"


class WasmRunner:
    """A WebAssembly module with its memory; the arena lies behind its constants."""

    def __init__(self, payload: bytes, *, arena_bytes: int, stack_bytes: int, entry: str = ENTRY) -> None:
        self._wasmtime = _wasmtime()
        self._arena_bytes = arena_bytes
        self._stack_bytes = stack_bytes
        try:
            self._instantiate(payload, entry)
        except (self._wasmtime.WasmtimeError, self._wasmtime.Trap) as error:
            raise EmulationFault(f"wasmtime refused the module: {_first_line(error)}") from None

    def invoke(
        self,
        inputs: Sequence[tuple[int, bytes]],
        outputs: Sequence[tuple[int, int]],
        *,
        instruction_limit: int = DEFAULT_INSTRUCTION_LIMIT,
    ) -> Invocation:
        """Run once, as `Runner` says."""
        for offset, content in inputs:
            self._memory.write(self._store, content, self._in_arena(offset, len(content)))
        self._memory.write(self._store, numpy.full(STACK_BYTES // 4, _PAINT, "<u4").tobytes(), 0)
        self._store.set_fuel(instruction_limit)
        value = self._call(instruction_limit)
        if value != 0:
            raise EmulationFault(f"The module returned {value} instead of 0")
        stack = self._measure_stack()
        if stack > self._stack_bytes:
            raise StackOverflow(f"The module used {stack} bytes of a {self._stack_bytes}-byte stack")
        return Invocation(
            outputs=tuple(self._read(self._in_arena(offset, length), length) for offset, length in outputs),
            instructions=instruction_limit - int(self._store.get_fuel()),
            stack_bytes=stack,
        )

    def read_arena(self) -> bytes:
        """The arena's present content."""
        return self._read(self._arena, self._arena_bytes)

    def _instantiate(self, payload: bytes, entry: str) -> None:
        config = self._wasmtime.Config()
        config.consume_fuel = True
        engine = self._wasmtime.Engine(config)
        self._store = self._wasmtime.Store(engine)
        self._store.set_limits(memory_size=_MAX_MEMORY_BYTES)
        self._store.set_fuel(DEFAULT_INSTRUCTION_LIMIT)
        module = self._wasmtime.Module(engine, payload)
        if module.imports:
            raise EmulationFault("The module wants imports, and a module has none")
        exports = self._wasmtime.Instance(self._store, module, []).exports(self._store)
        found = [exports.get(name) for name in (entry, MEMORY, HEAP_BASE)]
        if None in found:
            raise EmulationFault(f"The module does not export {entry}, {MEMORY} and {HEAP_BASE}")
        self._function, self._memory, heap_base = found
        self._place_arena(int(heap_base.value(self._store)))

    def _place_arena(self, heap_base: int) -> None:
        self._arena = -(-heap_base // 16) * 16
        missing = self._arena + self._arena_bytes - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // _PAGE_BYTES))
        self._memory.write(self._store, _FILL * self._arena_bytes, self._arena)

    def _call(self, limit: int) -> int:
        try:
            return int(self._function(self._store, self._arena))
        except self._wasmtime.Trap as trap:
            if trap.trap_code == self._wasmtime.TrapCode.OUT_OF_FUEL:
                raise InstructionLimitPassed(f"The code ran more than {limit:,} instructions") from None
            raise EmulationFault(f"The module was stopped: {_first_line(trap)}") from None
        except self._wasmtime.WasmtimeError as error:
            raise EmulationFault(f"The module was stopped: {_first_line(error)}") from None

    def _measure_stack(self) -> int:
        words = numpy.frombuffer(self._read(0, STACK_BYTES), "<u4")
        touched = numpy.flatnonzero(words != _PAINT)
        return STACK_BYTES - 4 * int(touched[0]) if touched.size else 0

    def _read(self, address: int, length: int) -> bytes:
        return bytes(self._memory.read(self._store, address, address + length))

    def _in_arena(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self._arena_bytes:
            raise EmulationFault(
                f"Bytes {offset} to {offset + length} lie outside the arena of {self._arena_bytes} bytes"
            )
        return self._arena + offset


def _wasmtime() -> Any:
    try:
        return importlib.import_module("wasmtime")
    except ImportError:
        raise MissingExtraError("wasmtime, which runs WebAssembly modules,", "wasm") from None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
