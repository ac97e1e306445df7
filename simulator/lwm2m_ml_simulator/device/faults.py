"""What will go wrong with a device, and the injector that makes it happen."""

from dataclasses import dataclass

from lwm2m_ml_simulator.memory.flash import Flash


@dataclass(frozen=True, slots=True)
class BitRot:
    """After so many inferences of a freshly activated module, one bit of its payload flips.

    Without an offset it is a bit that changes the module's answers.
    """

    payload_offset: int | None = None
    bit: int = 0
    after_inferences: int = 0


@dataclass(frozen=True, slots=True)
class PackageBitFlip:
    """One bit of a package flips on its way into the device, the first `times` that it comes."""

    offset: int
    bit: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, each once in the life of a device if it does not say otherwise."""

    power_cut_after_blocks: int | None = None
    bit_rot: BitRot | None = None
    package_bit_flip: PackageBitFlip | None = None


class FaultInjector:
    """The misfortunes of one device; it outlives reboots, so that no fault happens more often than told."""

    def __init__(self, faults: Faults, flash: Flash) -> None:
        self._flash = flash
        self._blocks = 0
        self._messages_left: int | None = None
        self._cut_after = faults.power_cut_after_blocks
        self._bit_rot = faults.bit_rot
        self._flip = faults.package_bit_flip
        self._flips = 0

    def block_stored(self) -> None:
        """A block of a package is in flash; perhaps the power fails while the next one is written."""
        self._blocks += 1
        if self._cut_after is not None and self._blocks >= self._cut_after:
            self._cut_after = None
            self._flash.cut_power_after(0)

    def cut_power_after_messages(self, messages: int) -> None:
        """Let so many more messages pass, in either direction, and let the power fail before the one that follows."""
        self._messages_left = messages

    def message_passes(self) -> bool:
        """Tell whether a message gets in or out; without power none does."""
        if not self._flash.powered:
            return False
        if self._messages_left == 0:
            self._messages_left = None
            self._flash.lose_power_now()
            return False
        if self._messages_left is not None:
            self._messages_left -= 1
        return True

    def arriving(self, offset: int, data: bytes) -> bytes:
        """Return a piece of a package, which begins at `offset`, as it comes out of the radio."""
        if self._flip is None or not offset <= self._flip.offset < offset + len(data):
            return data
        flip = self._flip
        self._flips += 1
        if self._flips >= flip.times:
            self._flip = None
        changed = bytearray(data)
        changed[flip.offset - offset] ^= 1 << flip.bit
        return bytes(changed)

    def rot_due(self, inferences: int) -> BitRot | None:
        """Return the rot that sets in now that the module in use has run so many times, if one does."""
        if self._bit_rot is None or inferences < self._bit_rot.after_inferences:
            return None
        rot, self._bit_rot = self._bit_rot, None
        return rot

    def flip(self, address: int, bit: int) -> None:
        """Let one bit of the flash rot."""
        self._flash.flip_bit(address, bit)
