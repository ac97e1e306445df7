"""CoRE links (RFC 6690): the lists that registrations and Discover carry, read tolerantly and written strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lwm2m_ml.errors import InvalidInputError

MAX_BYTES = 256 * 1024
MAX_LINKS = 16_384
MAX_ATTRIBUTES = 64

_TARGET = re.compile(r"\s*<([^<>]*)>\s*")
_ATTRIBUTE = re.compile(r'\s*;\s*([^\s=;,"<>]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^";,\s]*))?\s*', re.DOTALL)
_SEPARATOR = re.compile(r"\s*,")
_END = re.compile(r"\s*\Z")
# RFC 6690 §2 also allows them bare, some readers do not.
_ALWAYS_QUOTED = frozenset({"rt", "if", "title", "anchor"})
_NEEDS_NO_QUOTES = re.compile(r"[0-9A-Za-z!#$%&'*+\-.^_`|~/:]+")


class LinkFormatError(InvalidInputError):
    """A payload is not a list of CoRE links or is beyond a limit."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link: its target and its attributes, in order; an attribute without a value is None."""

    target: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)


def parse_links(payload: bytes) -> tuple[Link, ...]:
    """Read a list of links.

    Quoted and bare values mean the same. Of an attribute that occurs twice the first counts (RFC 6690 §3). A comma at
    the end is tolerated.
    """
    if len(payload) > MAX_BYTES:
        raise LinkFormatError(f"A link list has {len(payload)} bytes", hint=f"At most {MAX_BYTES} bytes are read")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise LinkFormatError("A link list is not UTF-8 text", hint="Send application/link-format") from error
    links: list[Link] = []
    position = 0
    while not _END.match(text, position):
        link, position = _parse_link(text, position)
        links.append(link)
        if len(links) > MAX_LINKS:
            raise LinkFormatError(f"A link list has more than {MAX_LINKS} links", hint="Register fewer objects")
        separator = _SEPARATOR.match(text, position)
        if separator is None:
            break
        position = separator.end()
    if not _END.match(text, position):
        raise _unexpected(text, position)
    return tuple(links)


def _parse_link(text: str, position: int) -> tuple[Link, int]:
    target = _TARGET.match(text, position)
    if target is None:
        raise _unexpected(text, position)
    position = target.end()
    attributes: dict[str, str | None] = {}
    read = 0
    while match := _ATTRIBUTE.match(text, position):
        position = match.end()
        read += 1
        if read > MAX_ATTRIBUTES:
            raise LinkFormatError(f"A link has more than {MAX_ATTRIBUTES} attributes", hint="Send fewer")
        value = match[2]
        if value is not None and value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        attributes.setdefault(match[1], value)
    return Link(target[1], attributes), position


def _unexpected(text: str, position: int) -> LinkFormatError:
    return LinkFormatError(
        f"A link list is malformed at character {position} ({text[position : position + 20]!r})",
        hint='Links look like </3/0>;ver="1.1" and are separated by commas',
    )


def format_links(links: Iterable[Link]) -> bytes:
    """Write a list of links; values are quoted where their characters ask for it."""
    return ",".join(_format_link(link) for link in links).encode()


def _format_link(link: Link) -> str:
    if "<" in link.target or ">" in link.target:
        raise LinkFormatError(f"{link.target!r} cannot be the target of a link", hint="Percent-encode < and >")
    return f"<{link.target}>" + "".join(
        f";{name}{_format_value(name, value)}" for name, value in link.attributes.items()
    )


def _format_value(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if name not in _ALWAYS_QUOTED and _NEEDS_NO_QUOTES.fullmatch(value):
        return f"={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'="{escaped}"'
