"""What can be wrong with a target: unknown, or badly described."""

import difflib
from collections.abc import Iterable, Sequence

from lwm2m_ml.errors import InvalidInputError, NotFoundError


class UnknownTarget(NotFoundError):
    """No target has this name, or no core has this instruction set."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {' or '.join(close)}" if close else "See `lwm2m-ml targets list`"
        super().__init__(f"There is no target named {name[:80]!r}", hint=hint)


class UnknownInstructionSet(UnknownTarget):
    """No core executes this set of instructions."""

    def __init__(self, flags: Iterable[str]) -> None:
        NotFoundError.__init__(
            self,
            f"No core is known that executes the instruction set {' '.join(sorted(flags))[:120]!r}",
            hint="See `lwm2m-ml targets list` for the cores and their flags",
        )


class InvalidTargetFile(InvalidInputError):
    """A target file does not say what it must, or says it wrongly."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(
            f"{file}: {key}: {problem}",
            hint="The files beside lwm2m_ml/compiler/targets/catalogue.py are complete examples",
        )
        self.file = file
        self.key = key
