"""Answers to Discover and Bootstrap-Discover (Core TS V1_2 §6.3.2, §6.1.7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.attributes import AttributeChange, NotificationAttributes, attributes_of_link, format_attributes
from lwm2m_ml.lwm2m.link_format import Link, LinkFormatError, format_links, parse_links
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath, PathError


class DiscoverError(InvalidInputError):
    """An answer to Discover is malformed."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a client tells about one path.

    `dimension` counts the instances of a multiple resource. `server_id`, `server_uri` and `protocol_version` come from
    Bootstrap-Discover only.
    """

    path: ObjectPath
    attributes: NotificationAttributes = field(default_factory=NotificationAttributes)
    dimension: int | None = None
    version: str | None = None
    server_id: int | None = None
    server_uri: str | None = None
    protocol_version: str | None = None


def parse_discover(payload: bytes, root_path: str = "/") -> tuple[Discovered, ...]:
    """Return what an answer tells; links to what is no path of LwM2M are left out."""
    try:
        links = parse_links(payload)
    except LinkFormatError as error:
        raise DiscoverError(error.message, hint=error.hint) from error
    found = (_discovered(link, root_path) for link in links)
    return tuple(item for item in found if item is not None)


def _discovered(link: Link, root_path: str) -> Discovered | None:
    target = link.target
    if root_path != "/" and (target + "/").startswith(root_path + "/"):
        target = target[len(root_path) :] or "/"
    try:
        path = ObjectPath.parse(target)
    except PathError:
        return None
    told = link.attributes
    return Discovered(
        path=path,
        attributes=attributes_of_link(told),
        dimension=_number(told.get("dim")),
        version=told.get("ver"),
        server_id=_number(told.get("ssid")),
        server_uri=told.get("uri"),
        protocol_version=told.get("lwm2m"),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 5 else None


def format_discover(items: Iterable[Discovered]) -> bytes:
    """Write an answer to Discover."""
    return format_links(_link(item) for item in items)


def _link(item: Discovered) -> Link:
    told: dict[str, str | None] = {}
    named = (
        ("lwm2m", item.protocol_version),
        ("ver", item.version),
        ("ssid", item.server_id),
        ("uri", item.server_uri),
    )
    for name, value in (*named, ("dim", item.dimension)):
        if value is not None:
            told[name] = str(value)
    for option in format_attributes(AttributeChange(item.attributes)):
        name, _, text = option.partition("=")
        told[name] = text
    return Link("/" if item.path == ROOT else str(item.path), told)
