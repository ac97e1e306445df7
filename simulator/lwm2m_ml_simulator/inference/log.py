"""What a device has inferred, and how much work that was."""

from dataclasses import dataclass

NO_FRAME = -1


@dataclass(frozen=True, slots=True)
class InferenceRecord:
    """What a device inferred, exactly: which image of the stream, the raw output tensors, the instructions it took.

    A model whose inputs are not the sensor's has no image (-1).
    """

    index: int
    outputs: tuple[bytes, ...]
    instructions: int
    module_digest: bytes


class InferenceLog(list[InferenceRecord]):
    """All records, or at least the last `kept` of them; `total` and `instructions` count all that ever were."""

    def __init__(self, kept: int | None = None) -> None:
        super().__init__()
        self.total = 0
        self.instructions = 0
        self._kept = kept

    def append(self, record: InferenceRecord) -> None:
        """Add a record."""
        super().append(record)
        self.total += 1
        self.instructions += record.instructions
        if self._kept is not None and len(self) >= 2 * self._kept:
            del self[: -self._kept]
