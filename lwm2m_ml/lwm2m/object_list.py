"""The list of objects and instances that a client registers (Core TS V1_2 §6.2.1.2, §7.2.2)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.link_format import Link, LinkFormatError, format_links, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.versions import Version, VersionError, default_object_version

RESOURCE_TYPE = "oma.lwm2m"
REMEMBERED_BYTES = 4096
REMEMBERED_LISTS = 512

ObjectKey = tuple[int, int | None]
"""An object instance, or the object itself where the instance is None."""


class ObjectListError(InvalidInputError):
    """A registered object list is malformed or contradicts itself."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """What a client registers: object versions by object and instance, formats it can do, and where its tree starts."""

    objects: Mapping[ObjectKey, str] = field(default_factory=dict)
    content_formats: frozenset[int] | None = None
    root_path: str = "/"
    links: tuple[Link, ...] = ()

    @property
    def versions(self) -> dict[int, str]:
        """The version of each object."""
        return {object_id: version for (object_id, _), version in self.objects.items()}


def parse_object_list(payload: bytes, lwm2m_version: str) -> ObjectList:
    """Read a registration's payload. Links that are no objects (of other applications on the device) are kept aside.

    Devices of one kind send the same list: a short one is read once, and they share the result.
    """
    return (_parse_once if len(payload) <= REMEMBERED_BYTES else _parse)(payload, lwm2m_version)


def _parse(payload: bytes, lwm2m_version: str) -> ObjectList:
    try:
        links = parse_links(payload)
    except LinkFormatError as error:
        raise ObjectListError(error.message, hint=error.hint) from error
    root_path = _root_path(links)
    formats = None
    keys: list[ObjectKey] = []
    versions: dict[int, str] = {}
    for link in links:
        if link.target == root_path or link.attributes.get("rt") == RESOURCE_TYPE:
            formats = _content_formats(link.attributes.get("ct")) or formats
            continue
        path = _object_path(link.target, root_path)
        if path is None or path.object_id is None:
            continue
        keys.append((path.object_id, path.instance_id))
        version = link.attributes.get("ver")
        if version is not None and versions.setdefault(path.object_id, _version(version)) != _version(version):
            raise ObjectListError(f"Object {path.object_id} is registered in two versions", hint="Register one version")
    objects = {key: versions.get(key[0]) or default_object_version(key[0], lwm2m_version) for key in keys}
    return ObjectList(objects, formats, root_path, links)


_parse_once = functools.lru_cache(maxsize=REMEMBERED_LISTS)(_parse)


def _root_path(links: Iterable[Link]) -> str:
    for link in links:
        if link.attributes.get("rt") == RESOURCE_TYPE:
            return "/" + link.target.strip("/")
    return "/"


def _object_path(target: str, root_path: str) -> ObjectPath | None:
    if root_path != "/":
        if not target.startswith(root_path + "/"):
            return None
        target = target[len(root_path) :]
    try:
        # Some clients leave the slash out.
        path = ObjectPath.parse(target if target.startswith("/") else f"/{target}")
    except PathError:
        return None
    return path if path.level in {1, 2} else None


def _content_formats(text: str | None) -> frozenset[int] | None:
    """Read `110` or `60 110 112`; what is no number is skipped, a device may know formats that we do not."""
    numbers = frozenset(int(part) for part in (text or "").replace(",", " ").split() if _is_format(part))
    return numbers or None


def _is_format(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= 5 and int(part) < 1 << 16


def _version(text: str) -> str:
    try:
        return str(Version.parse(text))
    except VersionError as error:
        raise ObjectListError(error.message, hint=error.hint) from error


def format_object_list(
    objects: Mapping[ObjectKey, str],
    lwm2m_version: str,
    *,
    content_formats: Iterable[int] = (),
    root_path: str = "/",
) -> bytes:
    """Write a registration's payload; versions are told where they are not the default."""
    links = []
    formats = " ".join(map(str, sorted(content_formats)))
    if formats or root_path != "/":
        attributes: dict[str, str | None] = {"rt": RESOURCE_TYPE}
        if formats:
            attributes["ct"] = formats
        links.append(Link(root_path if root_path == "/" else f"{root_path}/", attributes))
    prefix = "" if root_path == "/" else root_path
    with_instances = {object_id for object_id, instance_id in objects if instance_id is not None}
    told: set[int] = set()
    for (object_id, instance_id), version in objects.items():
        versioned = version != default_object_version(object_id, lwm2m_version)
        if versioned and object_id not in told:
            told.add(object_id)
            # The version belongs to the object's own link (V1_2 §7.2.2); instances follow without it.
            links.append(Link(f"{prefix}/{object_id}", {"ver": version}))
        elif instance_id is None and object_id not in with_instances and object_id not in told:
            links.append(Link(f"{prefix}/{object_id}"))
        if instance_id is not None:
            links.append(Link(f"{prefix}/{object_id}/{instance_id}"))
    return format_links(links)
