"""The documents, and the commands that they show."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md")))
SHELLS = frozenset({"", "sh", "bash", "shell", "console"})
"""What is written behind three backticks where commands follow; nothing at all may be a command or not."""
PROGRAMS = re.compile(r"(?:\.venv/bin/|/opt/[\w/-]+/)?(?:lwm2m-ml|lwm2m-sim|make|pip|python3?)\s")
"""How a line begins that is a command even where nothing says so."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command as a document shows it, without comment and prompt, on one line."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def commands(document: Path) -> Iterator[Command]:
    """The commands of a document, in its fenced and its indented blocks."""
    name = document.relative_to(ROOT).as_posix()
    for number, text in _joined(_lines_of_blocks(document.read_text("utf-8"))):
        bare = re.sub(r"(^|\s+)#\s.*$", "", text.removeprefix("$ ")).strip()
        if bare:
            yield Command(name, number, bare)


def _lines_of_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and text of the lines of shell blocks, and of lines of other blocks that begin like a command."""
    language: str | None = None
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            language = fence[1] if language is None else None
        elif language in SHELLS - {""} or (language == "" and PROGRAMS.match(f"{line} ")):
            yield number, line
        elif (
            language is None
            and line.startswith("    ")
            and (PROGRAMS.match(f"{line.strip()} ") or before.endswith("\\"))
        ):
            yield number, line.strip()
        before = line


def _joined(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines that end with a backslash belong to the next."""
    begun: tuple[int, str] | None = None
    for number, line in lines:
        first, text = (begun[0], f"{begun[1]} {line.strip()}") if begun else (number, line)
        begun = (first, text[:-1].rstrip()) if text.endswith("\\") else None
        if begun is None:
            yield first, text


def inline_commands(document: Path) -> Iterator[Command]:
    """The commands that a document's sentences name in backticks."""
    name = document.relative_to(ROOT).as_posix()
    text = re.sub(
        r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), document.read_text("utf-8"), flags=re.M | re.S
    )
    for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        if PROGRAMS.match(f"{found[1]} "):
            yield Command(name, text.count("\n", 0, found.start()) + 1, " ".join(found[1].split()))
