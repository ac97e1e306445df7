"""What commands print: a table for people or JSON for programs on stdout, everything else on stderr."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

PIPE_WIDTH = 1_000
"""Columns of a table that no terminal shows: programs read it line by line."""


def console(*, stderr: bool = False) -> "Console":
    """A console on stdout or stderr; with `NO_COLOR` (https://no-color.org) it makes nothing bold, either."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")


def print_json(content: Any) -> None:
    """One JSON value on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_json_line(content: Any) -> None:
    """One JSON value on one line of stdout, for streams."""
    typer.echo(json.dumps(content, ensure_ascii=False))


def print_models(items: "Sequence[BaseModel]") -> None:
    """A JSON list of API objects on stdout."""
    print_json([item.model_dump(mode="json") for item in items])


def print_done(as_json: bool, **facts: Any) -> None:
    """The end of a command that has nothing to show: silence for people, an object for programs."""
    if as_json:
        print_json({"done": True, **facts})


def print_facts(facts: Mapping[str, object]) -> None:
    """Facts on stdout, one to a line."""
    print_table(("FACT", "VALUE"), [(name.replace("_", " "), _flat(value)) for name, value in facts.items()])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; a column of numbers stands to the right; absent values are a dash."""
    from rich.table import Table
    from rich.text import Text

    body = [tuple(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in body)
        table.add_column(column, justify="right" if numeric and body else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(cell(value)) for value in row))
    out = console()
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    out.print(table)


def cell(value: object) -> str:
    """One value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def moment(seconds: float | None) -> str | None:
    """A time of day as a person reads it."""
    from datetime import datetime

    return None if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _flat(value: object) -> object:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_flat(one)}" for name, one in value.items()) or None
    if isinstance(value, list | tuple):
        return "; ".join(str(_flat(one)) for one in value) or None
    return value
