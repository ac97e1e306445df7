"""What a call of the API is: data, which a blocking client and one for asyncio send alike."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import TypeAdapter

Answer = TypeVar("Answer")

NOTHING: TypeAdapter[None] = TypeAdapter(type(None))
CONTENT: TypeAdapter[bytes] = TypeAdapter(bytes)
"""An answer that is a file, taken as it is."""
LARGEST_PAGE = 1_000
"""Items of a page that the server gives at most."""
SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One HTTP request below the API's root, and the type of its answer.

    A POST carries a key of its own, so that sending the same call again, when its answer got lost, does nothing twice.
    """

    method: str
    path: str
    answer: TypeAdapter[Answer]
    json: Any = None
    content: bytes | None = None
    """A body that is no JSON."""
    query: tuple[tuple[str, str], ...] = ()
    timeout: float = 30.0
    only_reads: bool = False
    """A POST that changes nothing."""
    key: str = field(default_factory=lambda: uuid4().hex)

    @property
    def changes(self) -> bool:
        """Whether the server, or a device, may be another one afterwards."""
        return self.method not in SAFE_METHODS and not self.only_reads

    @property
    def headers(self) -> dict[str, str]:
        """The headers of this request alone."""
        return {"Idempotency-Key": self.key} if self.method == "POST" and self.changes else {}


def segment(text: str) -> str:
    """A name as one segment of a path."""
    # A slash within a name is escaped twice: servers decode once before they look for the slashes of the path.
    return quote(text.replace("/", "%2F"), safe="")


def query_of(**given: object) -> tuple[tuple[str, str], ...]:
    """The query of a request, without what was not given."""
    return tuple((name, str(value)) for name, value in given.items() if value not in {None, ""})
