"""Lists in pages: a cursor holds the place of the last item of a page, so that pages stay right while lists change."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from lwm2m_ml.client.schemas import Page
from lwm2m_ml.errors import UsageError

Fact = TypeVar("Fact")
Item = TypeVar("Item")
Place = tuple[str | int | float, ...]
"""Where an item stands: the values that its list is ordered by, the last of them its own."""

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1_000

Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="Items of a page, at most")]
Cursor = Annotated[str, Query(max_length=2_048, description="`next` of the page before; empty for the first page")]


def encode(place: Place) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, *types: type) -> Place | None:
    """The place of a cursor, None for the first page. Raises `UsageError` when it is not one of this list."""
    if not cursor:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or len(place) != len(types) or not _fits(place, types):
        raise UsageError("The cursor is not one of this list", hint="Take it from `next` of the page before")
    return tuple(place)


def page_of(
    facts: Sequence[Fact], limit: int, place: Callable[[Fact], Place], view: Callable[[Fact], Item]
) -> Page[Item]:
    """A page of what was found from a place on: at most `limit + 1` facts, the last one only to know of it."""
    shown = facts[:limit]
    following = encode(place(shown[-1])) if len(facts) > limit else None
    return Page(items=[view(fact) for fact in shown], next=following)


def page_of_all(
    facts: Iterable[Fact], limit: int, cursor: str, name: Callable[[Fact], str], view: Callable[[Fact], Item]
) -> Page[Item]:
    """A page of facts that are all at hand, ordered by name."""
    after = decode(cursor, str)
    ordered = sorted((fact for fact in facts if after is None or (name(fact),) > after), key=name)
    return page_of(ordered[: limit + 1], limit, lambda fact: (name(fact),), view)


def _fits(place: Sequence[Any], types: Sequence[type]) -> bool:
    return all(
        isinstance(value, (int, float) if kind is float else kind) for value, kind in zip(place, types, strict=True)
    )
