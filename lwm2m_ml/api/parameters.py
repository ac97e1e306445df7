"""Parts of URLs that several routes take."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

SLASH = "%2F"
"""How a slash in a name arrives, which the client writes as `%252F`: routing would take a decoded one for its own."""


def with_slashes(segment: str) -> str:
    """The name that a segment of a path stands for."""
    return segment.replace(SLASH, "/")


Endpoint = Annotated[str, Path(min_length=1, max_length=256), AfterValidator(with_slashes)]
"""The endpoint name of a device."""
