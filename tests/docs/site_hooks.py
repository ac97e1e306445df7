"""What MkDocs does with a page before it renders it: links to files that are no pages become their text."""

import re
from typing import Any

LINK_OUT_OF_THE_FOLDER = re.compile(r"\[([^\]]+)\]\((?:\.\./)+[^)]*\)")


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """The page as it is to be rendered: `[its file](../objects/3.xml)` is a link in a checkout only."""
    return LINK_OUT_OF_THE_FOLDER.sub(r"\1", markdown)
