"""The vocabulary of an emulated machine: its memory regions, and what a call into it gives back."""

from dataclasses import dataclass

PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of the machine's memory, in whole pages: code is read and executed, data is read and written."""

    name: str
    address: int
    bytes: int
    executable: bool = False

    @property
    def end(self) -> int:
        """The first address after the region."""
        return self.address + self.bytes

    def holds(self, address: int, length: int = 1) -> bool:
        """Tell whether these bytes lie in the region."""
        return self.address <= address and address + length <= self.end


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a finished call returned and what it cost."""

    return_value: int
    instructions: int
    peak_stack_bytes: int


def whole_pages(size: int) -> int:
    """Round a size up to whole pages."""
    return -(-size // PAGE_BYTES) * PAGE_BYTES
