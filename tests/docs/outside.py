"""Whether a built site fetches anything from other hosts.

`python tests/docs/outside.py FOLDER` names what it finds, and ends with 1 then.
Links that a reader may follow are no assets. A diagram of Mermaid is one: Material fetches its program from a CDN.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

FETCHED = {
    **dict.fromkeys(
        ("script", "img", "iframe", "embed", "source", "audio", "video", "track", "input"), ("src", "srcset", "poster")
    ),
    "link": ("href",),
    "object": ("data",),
    "use": ("href", "xlink:href"),
    "image": ("href", "xlink:href"),
    "form": ("action",),
}
"""The attributes of elements that a browser fetches by itself, or sends to."""
NAMED_ONLY = {"canonical", "author", "license", "next", "prev", "alternate"}
"""Relations of `link` that are not fetched."""
ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a page has fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "link" and set(attributes.get("rel", "").split()) <= NAMED_ONLY:
            return
        for name in FETCHED.get(tag, ()):
            if any(ELSEWHERE.match(part) for part in attributes.get(name, "").split(",")):
                self.found.append(f"<{tag} {name}={attributes[name]}>")
        if "mermaid" in attributes.get("class", "").split():
            self.found.append("a Mermaid diagram")


def outside(folder: Path) -> Iterator[str]:
    """What the pages and style sheets below a folder fetch from other hosts, with the file that says so."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".html", ".css", ".svg"}:
            continue
        text = path.read_text("utf-8")
        page = Page()
        if path.suffix != ".css":
            page.feed(text)
        for found in page.found + IN_STYLES.findall(text):
            yield f"{path.relative_to(folder)}: {found}"


if __name__ == "__main__":
    complaints = list(outside(Path(sys.argv[1])))
    sys.exit("\n".join(complaints) or 0)
