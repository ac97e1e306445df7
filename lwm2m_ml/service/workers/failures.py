"""How an error crosses the border between processes: as plain facts, since exceptions do not always pickle."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.errors import ConflictError, InvalidInputError, Lwm2mMlError, MissingToolError, NotFoundError, UsageError

_KINDS: tuple[type[Lwm2mMlError], ...] = (UsageError, InvalidInputError, NotFoundError, ConflictError, MissingToolError)


class WorkerDefect(Lwm2mMlError):
    """The work failed for a reason nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a worker."""

    kind: str
    message: str
    hint: str
    details: str = ""

    def to_error(self, what: str) -> Lwm2mMlError:
        """Make the error anew, of the nearest kind that every room knows; `what` names the work."""
        if self.details:
            return WorkerDefect(f"{what} failed: {self.message}", hint="This is a defect: please report it")
        for kind in _KINDS:
            if kind.__name__ == self.kind:
                return kind(f"{what} failed: {self.message}", hint=self.hint)
        return Lwm2mMlError(f"{what} failed: {self.message}", hint=self.hint)


def guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; an exception becomes a `Failure`."""
    try:
        return function(*arguments)
    except Lwm2mMlError as error:
        kind = next((kind.__name__ for kind in _KINDS if isinstance(error, kind)), "")
        return Failure(kind, error.message, error.hint)
    except MemoryError:
        return Failure("", "it needs more memory than a worker may take", "Try a smaller model")
    except Exception as error:
        return Failure("", f"{type(error).__name__}: {error}", "", traceback.format_exc(limit=20))
