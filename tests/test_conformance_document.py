"""Every test that docs/conformance.md names exists, and every row of its tables names one."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parent / "docs" / "conformance.md").read_text(encoding="utf-8")
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_named_test_exists() -> None:
    references = set(REFERENCE.findall(DOCUMENT))
    assert len(references) > 100
    sources = {file: (TESTS / file).read_text(encoding="utf-8") for file, _ in references}
    missing = [f"{file}::{name}" for file, name in sorted(references) if f"def {name}(" not in sources[file]]
    assert missing == []


def test_every_row_of_a_table_names_a_test() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("|") and not line.startswith("|-")]
    claims = [row for row in rows if not re.search(r"\| (test|wire|device) \|", row) and "the tables above" not in row]
    assert len(claims) > 70
    assert [row for row in claims if not REFERENCE.search(row)] == []
