"""Reads object definition files (OMA DDF XML) and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.bounded_xml import XmlError, parse_xml
from lwm2m_ml.lwm2m.definitions import ObjectDefinition, Operations, ResourceDefinition, ResourceType
from lwm2m_ml.lwm2m.path import MAX_ID
from lwm2m_ml.lwm2m.ranges import ValueRange, parse_length_range, parse_number_range
from lwm2m_ml.lwm2m.versions import Version, VersionError

_LENGTH_TYPES = frozenset({ResourceType.STRING, ResourceType.OPAQUE})
_NUMBER_TYPES = frozenset({ResourceType.INTEGER, ResourceType.UNSIGNED_INTEGER, ResourceType.FLOAT})
_TYPES = {kind.value.lower(): kind for kind in ResourceType}


class DefinitionError(InvalidInputError):
    """A definition file cannot be used."""


def parse_definitions(content: bytes, source: str = "definition") -> tuple[ObjectDefinition, ...]:
    """Read every object of a definition file; `source` names it in errors.

    Elements may stand in any order and unknown ones are skipped: registered files are not all valid against their own
    schema. `validate` tells which are.
    """
    try:
        root = parse_xml(content)
    except XmlError as error:
        raise DefinitionError(f"{source} is not a definition file: {error.message}", hint=error.hint) from error
    objects = [element for element in root.iter("Object") if element.find("ObjectID") is not None]
    if root.tag != "LWM2M" or not objects:
        raise DefinitionError(f"{source} defines no object", hint="Give an LWM2M document with at least one Object")
    return tuple(_object(element, source) for element in objects)


def parse_reusable_resources(content: bytes, source: str = "definition") -> tuple[ResourceDefinition, ...]:
    """Read a list of reusable resources (the form of the registry's Common.xml)."""
    try:
        root = parse_xml(content)
    except XmlError as error:
        raise DefinitionError(f"{source} is not a resource list: {error.message}", hint=error.hint) from error
    return tuple(_resource(item, source) for item in root.iter("Item"))


def _object(element: Element, source: str) -> ObjectDefinition:
    object_id = _number(_text(element, "ObjectID"), f"{source}: ObjectID")
    where = f"{source}: object {object_id}"
    resources: dict[int, ResourceDefinition] = {}
    for item in element.iter("Item"):
        resource = _resource(item, where)
        if resource.resource_id in resources:
            raise DefinitionError(f"{where} defines resource {resource.resource_id} twice", hint="Remove one of them")
        resources[resource.resource_id] = resource
    return ObjectDefinition(
        object_id=object_id,
        name=_text(element, "Name"),
        version=_version(_text(element, "ObjectVersion"), where),
        lwm2m_version=_version(_text(element, "LWM2MVersion"), where),
        urn=_text(element, "ObjectURN"),
        multiple=_text(element, "MultipleInstances") == "Multiple",
        mandatory=_text(element, "Mandatory") == "Mandatory",
        description=_text(element, "Description1"),
        resources=resources,
    )


def _resource(item: Element, where: str) -> ResourceDefinition:
    resource_id = _number(item.get("ID", ""), f"{where}: Item ID")
    where = f"{where}, resource {resource_id}"
    try:
        kind = _TYPES[_text(item, "Type").lower()]
        operations = Operations.parse(_text(item, "Operations"))
    except KeyError as error:
        raise DefinitionError(
            f"{where} has the unknown type or operations {error.args[0]!r}",
            hint=f"Types are {', '.join(k.value for k in ResourceType if k.value)}; operations R, W, RW, E or nothing",
        ) from error
    range_text = _text(item, "RangeEnumeration")
    return ResourceDefinition(
        resource_id=resource_id,
        name=_text(item, "Name"),
        operations=operations,
        type=kind,
        multiple=_text(item, "MultipleInstances") == "Multiple",
        mandatory=_text(item, "Mandatory") == "Mandatory",
        range_text=range_text,
        range=_range(kind, range_text),
        units=_text(item, "Units"),
        description=_text(item, "Description"),
    )


def _range(kind: ResourceType, text: str) -> ValueRange | None:
    if kind in _LENGTH_TYPES:
        return parse_length_range(text)
    return parse_number_range(text) if kind in _NUMBER_TYPES else None


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_ID):
        raise DefinitionError(f"{where} is {text[:20]!r}", hint="It must be a number up to 65535")
    return int(text)


def _version(text: str, where: str) -> str:
    try:
        return str(Version.parse(text or "1.0"))
    except VersionError as error:
        raise DefinitionError(f"{where}: {error.message}", hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a definition file."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


_OBJECT_CHILDREN = (
    ("Name", True),
    ("Description1", True),
    ("ObjectID", True),
    ("ObjectURN", True),
    ("LWM2MVersion", False),
    ("ObjectVersion", False),
    ("MultipleInstances", True),
    ("Mandatory", True),
    ("Resources", True),
    ("Description2", True),
)
_ITEM_CHILDREN = tuple(
    (tag, True)
    for tag in (
        "Name",
        "Operations",
        "MultipleInstances",
        "Mandatory",
        "Type",
        "RangeEnumeration",
        "Units",
        "Description",
    )
)
_CHOICES = {
    "Operations": ("R", "W", "RW", "E", ""),
    "MultipleInstances": ("Multiple", "Single"),
    "Mandatory": ("Mandatory", "Optional"),
    "Type": tuple(kind.value for kind in ResourceType),
}


def validate(content: bytes, source: str = "definition") -> tuple[Finding, ...]:
    """Return everything that makes a file invalid against LWM2M-v1_1.xsd; empty for a valid one.

    The rules of the schema are few and are written here as tables, so that no XML schema processor is needed.
    """
    try:
        root = parse_xml(content)
    except XmlError as error:
        return (Finding(source, error.message),)
    if root.tag != "LWM2M":
        return (Finding(source, f"the document is a {root.tag}, not an LWM2M"),)
    if len(root) == 0:
        return (Finding(source, "Object is missing"),)
    findings: list[Finding] = []
    for element in root:
        findings.extend(_object_findings(element, source))
    return tuple(findings)


def _object_findings(element: Element, source: str) -> Iterator[Finding]:
    if element.tag != "Object":
        yield Finding(source, f"{element.tag} stands where Object is expected")
        return
    where = f"{source}: object {_text(element, 'ObjectID') or '?'}"
    if "ObjectType" not in element.attrib:
        yield Finding(where, "the attribute ObjectType is missing")
    yield from _child_findings(element, _OBJECT_CHILDREN, where)
    if not _is_number(element.findtext("ObjectID")):
        yield Finding(where, "ObjectID is not a number up to 65535")
    resources = element.find("Resources")
    items = [] if resources is None else list(resources)
    if not items:
        yield Finding(where, "Resources has no Item")
    for item in items:
        yield from _item_findings(item, where)


def _item_findings(item: Element, where: str) -> Iterator[Finding]:
    where = f"{where}, resource {item.get('ID', '?')}"
    if item.tag != "Item":
        yield Finding(where, f"{item.tag} stands where Item is expected")
        return
    if not _is_number(item.get("ID")):
        yield Finding(where, "the attribute ID is not a number up to 65535")
    yield from _child_findings(item, _ITEM_CHILDREN, where)


def _child_findings(element: Element, expected: tuple[tuple[str, bool], ...], where: str) -> Iterator[Finding]:
    tags = [child.tag for child in element]
    present = {tag for tag, required in expected if required or tag in tags}
    wanted = [tag for tag, _ in expected if tag in present]
    for position, tag in enumerate(wanted):
        found = tags[position] if position < len(tags) else None
        if found != tag:
            yield Finding(where, f"{found or 'the end'} stands where {tag} is expected")
            return
    if len(tags) > len(wanted):
        yield Finding(where, f"{tags[len(wanted)]} stands where the end is expected")
    for child in element:
        choices = _CHOICES.get(child.tag)
        if choices is not None and (child.text or "") not in choices:
            yield Finding(where, f"{child.tag} is {child.text!r}, not one of {', '.join(filter(None, choices))}")


def _is_number(text: str | None) -> bool:
    stripped = (text or "").strip()
    return stripped.isascii() and stripped.isdigit() and int(stripped[:6]) <= MAX_ID
