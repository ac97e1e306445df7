"""What a check found."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lwm2m_ml.errors import Lwm2mMlError


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a failure keeps the server from working, a warning from something that may be wanted."""

    check: str
    state: Literal["ok", "warning", "failure"]
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding for programs."""
        return asdict(self)


Check = Callable[[], Iterable[Finding]]


def guarded(name: str, check: Check) -> list[Finding]:
    """The findings of a check; a check that cannot be done is a failure, never the end of the others."""
    try:
        return list(check())
    except Lwm2mMlError as error:
        return [Finding(name, "failure", f"{error.message}.", error.hint)]
    except Exception as error:
        return [Finding(name, "failure", f"{type(error).__name__}: {error}", "This is a fault of the check: report it")]
