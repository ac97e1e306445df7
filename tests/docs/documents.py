"""The documents, and the commands that they show."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md")))
SHELLS = ("sh", "bash", "shell", "console")
PROGRAMS = re.compile(r"(?:\S*/bin/)?(?:lwm2m-ml|lwm2m-sim|make|pip|python3?|sudo|apt|apt-get|dask|ipvsadm)(?:\s|$)")
"""How a line begins that is a command, even where nothing says so: in blocks without a language."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command as a document shows it: on one line, without prompt, comment and description."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {self.text}"


def commands(document: Path) -> Iterator[Command]:
    """The commands of a document, in its fenced and its indented blocks."""
    name = document.relative_to(ROOT).as_posix()
    for number, text in _joined(_lines_of_blocks(document.read_text("utf-8"))):
        bare = _bare(text)
        if bare:
            yield Command(name, number, bare)


def inline_commands(document: Path) -> Iterator[Command]:
    """The commands that the sentences of a document name in backticks."""
    name = document.relative_to(ROOT).as_posix()
    text = document.read_text("utf-8")
    text = re.sub(r"^ *```.*?^ *```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
    for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        if PROGRAMS.match(found[1]):
            yield Command(name, text.count("\n", 0, found.start()) + 1, " ".join(found[1].split()))


def block(document: Path, language: str, number: int = 0) -> str:
    """The text of a document's fenced block of a language, such as a file that its commands speak of."""
    found = re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.M | re.S)
    return str(found[number])


def _bare(text: str) -> str:
    """Without prompt, without comment, and without a description that stands in a column of its own."""
    without_comment = re.sub(r"(^|\s)#\s.*$", "", text.removeprefix("$ "))
    return re.split(r"\s{2,}", without_comment.strip())[0]


def _lines_of_blocks(text: str) -> Iterator[tuple[int, str]]:
    language: str | None = None
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            language = fence[1] if language is None else None
        elif _holds_a_command(language, line, before):
            yield number, line.strip()
        before = line


def _holds_a_command(language: str | None, line: str, before: str) -> bool:
    if language in SHELLS:
        return True
    if language is None and not line.startswith("    "):
        return False
    return not language and (PROGRAMS.match(line.strip()) is not None or before.endswith("\\"))


def _joined(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """A line that ends with a backslash goes on in the next."""
    begun: tuple[int, str] | None = None
    for number, line in lines:
        first, text = (begun[0], f"{begun[1]} {line}") if begun else (number, line)
        begun = (first, text.removesuffix("\\").rstrip()) if text.endswith("\\") else None
        if begun is None:
            yield first, text
