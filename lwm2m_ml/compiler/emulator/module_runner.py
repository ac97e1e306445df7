"""Runs a module as a device would: loaded at an address, an arena beside it, nothing else in reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.emulator.errors import EmulationFault, StackOverflow
from lwm2m_ml.compiler.emulator.machine import PAGE_BYTES, Region, whole_pages
from lwm2m_ml.compiler.emulator.runner import DEFAULT_INSTRUCTION_LIMIT, Invocation
from lwm2m_ml.compiler.emulator.unicorn_machine import Machine
from lwm2m_ml.compiler.targets import Architecture, Target

LOAD_ALIGNMENT = 16
DEFAULT_LOAD_ADDRESS = 0x0800_0000
_ARENA_BASE = 0x2000_0000
_STACK_BASE = 0x3000_0000
# From one piece of an arena to the next: nothing lies between them.
_BANK_DISTANCE = 0x0200_0000
_MAX_BYTES = 64 * 1024 * 1024
# What lies around the arena in its pages, and in it before the first call: a module must not rely on zeros.
_FILL = 0xA5


class ModuleRunner:
    """A module in an emulated core that stays ready: the arena keeps its content from one invocation to the next.

    The code can be read and executed, arena and stack can be read and written; nothing else is mapped. A write beyond
    the arena within its pages shows after the call, a deeper one during it.
    """

    def __init__(
        self,
        payload: bytes,
        target: Target,
        *,
        arena_bytes: int,
        stack_bytes: int,
        load_address: int = DEFAULT_LOAD_ADDRESS,
        arena_address: int | None = None,
        profile: bool = False,
        bank_bytes: Sequence[int] = (),
    ) -> None:
        for name, size in (("module", len(payload)), ("arena", arena_bytes), ("stack", stack_bytes)):
            if not (1 if name == "module" else 0) <= size <= _MAX_BYTES:
                raise EmulationFault(f"A {name} of {size:,} bytes cannot be emulated")
        self._entry = load_address
        self._arena_bytes = arena_bytes
        self._stack_bytes = stack_bytes
        self._pieces = _pieces(arena_bytes, bank_bytes, arena_address)
        if self._entry % LOAD_ALIGNMENT or any(piece.address % LOAD_ALIGNMENT for piece in self._pieces):
            raise EmulationFault(f"Module and arena lie at multiples of {LOAD_ALIGNMENT} bytes")
        code = _region_around("module", load_address, len(payload), executable=True)
        stack = Region("stack", _STACK_BASE, whole_pages(max(stack_bytes, 1)))
        self._stack_top = stack.end
        self._machine = Machine(target, regions=(code, *(p.pages for p in self._pieces), stack), profile=profile)
        self._machine.write(code.address, _illegal(code.bytes, target))
        self._machine.write(load_address, payload)
        for piece in self._pieces:
            self._machine.write(piece.pages.address, bytes([_FILL]) * piece.pages.bytes)

    def invoke(
        self,
        inputs: Sequence[tuple[int, bytes]],
        outputs: Sequence[tuple[int, int]],
        *,
        instruction_limit: int = DEFAULT_INSTRUCTION_LIMIT,
    ) -> Invocation:
        """Write the inputs (offset in the arena, bytes), run once, read the outputs (offset, length).

        Raises `EmulationFault` when the module misbehaves or returns anything but 0.
        """
        for offset, content in inputs:
            self._machine.write(self._in_arena(offset, len(content)), content)
        result = self._machine.call(
            self._entry,
            *(piece.address for piece in self._pieces),
            stack_top=self._stack_top,
            instruction_limit=instruction_limit,
        )
        self._check_surroundings()
        if result.peak_stack_bytes > self._stack_bytes:
            raise StackOverflow(f"The module used {result.peak_stack_bytes} bytes of a {self._stack_bytes}-byte stack")
        if result.return_value != 0:
            raise EmulationFault(f"The module returned {result.return_value} instead of 0")
        return Invocation(
            outputs=tuple(self._machine.read(self._in_arena(offset, length), length) for offset, length in outputs),
            instructions=result.instructions,
            stack_bytes=result.peak_stack_bytes,
        )

    def read_arena(self) -> bytes:
        """The arena's present content."""
        return b"".join(self._machine.read(piece.address, piece.bytes) for piece in self._pieces)

    def profile(self) -> dict[int, int]:
        """Where the last invocation spent its instructions: by offset of the basic block in the payload."""
        return {address - self._entry: count for address, count in self._machine.profile().items()}

    def _in_arena(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self._arena_bytes:
            raise EmulationFault(
                f"Bytes {offset} to {offset + length} lie outside the arena of {self._arena_bytes} bytes"
            )
        for piece in self._pieces:
            if piece.start <= offset and offset + length <= piece.start + piece.bytes:
                return piece.address + offset - piece.start
        raise EmulationFault(f"Bytes {offset} to {offset + length} lie in two pieces of the arena")

    def _check_surroundings(self) -> None:
        for piece in self._pieces:
            self._check_around(piece)

    def _check_around(self, piece: "_Piece") -> None:
        before = self._machine.read(piece.pages.address, piece.address - piece.pages.address)
        end = piece.address + piece.bytes
        after = self._machine.read(end, piece.pages.end - end)
        for start, content in ((-len(before), before), (piece.bytes, after)):
            touched = next((index for index, byte in enumerate(content) if byte != _FILL), None)
            if touched is not None:
                raise EmulationFault(
                    f"The module wrote outside its arena of {piece.bytes} bytes, at offset {start + touched}"
                )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the arena: where it lies, how far into the arena it starts, and the pages around it."""

    address: int
    bytes: int
    start: int

    @property
    def pages(self) -> Region:
        return _region_around("arena", self.address, max(self.bytes, 1))


def _pieces(arena_bytes: int, bank_bytes: Sequence[int], address: int | None) -> tuple[_Piece, ...]:
    if not bank_bytes:
        return (_Piece(_arena_at_page_end(arena_bytes) if address is None else address, arena_bytes, 0),)
    if sum(bank_bytes) != arena_bytes or address is not None:
        raise EmulationFault("The pieces of an arena must make up the whole, and lie where they are put")
    starts = [sum(bank_bytes[:number]) for number in range(len(bank_bytes))]
    return tuple(
        _Piece(_arena_at_page_end(size) + number * _BANK_DISTANCE, size, start)
        for number, (size, start) in enumerate(zip(bank_bytes, starts, strict=True))
    )


def _arena_at_page_end(arena_bytes: int) -> int:
    """The place for an arena where the first byte after it, rounded up to the alignment, is unmapped."""
    aligned = -(-arena_bytes // LOAD_ALIGNMENT) * LOAD_ALIGNMENT
    return _ARENA_BASE + whole_pages(max(aligned, 1)) - aligned


def _region_around(name: str, address: int, size: int, *, executable: bool = False) -> Region:
    start = address // PAGE_BYTES * PAGE_BYTES
    return Region(name, start, whole_pages(address + size - start), executable)


def _illegal(size: int, target: Target) -> bytes:
    """Fill bytes that stop a core which runs into them: UDF #0 in Thumb, the all-zero instruction on RISC-V."""
    return (b"\x00\xde" if target.architecture is Architecture.THUMB else b"\0\0") * (size // 2)
