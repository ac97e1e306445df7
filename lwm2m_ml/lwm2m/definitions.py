"""What an object and its resources are: the facts of a definition file, and the catalogue that holds them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.ranges import ValueRange
from lwm2m_ml.lwm2m.versions import Version


class ResourceType(enum.Enum):
    """The type of a resource's value, named as in definition files (Core TS V1_2 Appendix C)."""

    __hash__ = object.__hash__  # members are the only ones of their kind; Enum hashes their names, in Python

    NONE = ""
    STRING = "String"
    INTEGER = "Integer"
    UNSIGNED_INTEGER = "Unsigned Integer"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    OPAQUE = "Opaque"
    TIME = "Time"
    OBJECT_LINK = "Objlnk"
    CORE_LINK = "Corelnk"


class Operations(enum.Flag):
    """What a server may do with a resource. A bootstrap server may write resources that allow nothing."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXECUTE = 4

    @classmethod
    def parse(cls, text: str) -> Operations:
        """Read `R`, `W`, `RW`, `E` or nothing."""
        return _OPERATIONS[text]

    def __str__(self) -> str:
        return "".join(letter for letter, flag in _OPERATION_LETTERS if flag in self)


_OPERATION_LETTERS = (("R", Operations.READ), ("W", Operations.WRITE), ("E", Operations.EXECUTE))
_OPERATIONS = {
    "": Operations.NONE,
    "R": Operations.READ,
    "W": Operations.WRITE,
    "RW": Operations.READ | Operations.WRITE,
    "E": Operations.EXECUTE,
}


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One resource of an object."""

    resource_id: int
    name: str
    operations: Operations
    type: ResourceType
    multiple: bool = False
    mandatory: bool = False
    range_text: str = ""
    range: ValueRange | None = None
    units: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ObjectDefinition:
    """One version of an object."""

    object_id: int
    name: str
    version: str = "1.0"
    lwm2m_version: str = "1.0"
    urn: str = ""
    multiple: bool = True
    mandatory: bool = False
    description: str = ""
    resources: Mapping[int, ResourceDefinition] = field(default_factory=dict)

    def renumbered(self, object_id: int) -> ObjectDefinition:
        """Return the same object under another number, for objects whose number an operator may choose."""
        urn = self.urn.replace(f":{self.object_id}", f":{object_id}")
        return replace(self, object_id=object_id, urn=urn)


class Catalogue:
    """The object definitions a program knows, by number and version."""

    def __init__(self, definitions: Iterable[ObjectDefinition] = ()) -> None:
        self._versions: dict[int, dict[Version, ObjectDefinition]] = {}
        self._chosen: dict[int, ObjectDefinition] = {}
        self._reusable: dict[int, ResourceDefinition] = {}
        for definition in definitions:
            self.add(definition)

    @classmethod
    def shipped(cls) -> Catalogue:
        """Return a catalogue of the definitions that come with this package; each call returns its own."""
        from lwm2m_ml.lwm2m.shipped import shipped_definitions, shipped_reusable_resources  # noqa: PLC0415 (cycle)

        catalogue = cls(shipped_definitions())
        catalogue.add_reusable(shipped_reusable_resources())
        return catalogue

    def add(self, definition: ObjectDefinition) -> None:
        """Add a definition; it replaces one of the same number and version."""
        versions = self._versions.setdefault(definition.object_id, {})
        versions[Version.parse(definition.version)] = definition
        self._chosen[definition.object_id] = versions[max(versions)]

    def add_reusable(self, resources: Iterable[ResourceDefinition]) -> None:
        """Add resources with a meaning of their own, which tell the type where the object itself is unknown."""
        self._reusable.update((resource.resource_id, resource) for resource in resources)

    def get(self, object_id: int, version: str | None = None) -> ObjectDefinition | None:
        """Return that version of the object, the newest when none is named, or None."""
        if version is None:
            return self._chosen.get(object_id)
        return self._versions.get(object_id, {}).get(Version.parse(version))

    def closest(self, object_id: int, version: str) -> ObjectDefinition | None:
        """Return the definition to use for a device that implements `version` of the object.

        That very version if known, else the lowest newer one of the same major version (minor versions only add
        resources, Core TS V1_2 §7.2.2), else the highest older one of it; None when the major version is unknown.
        """
        wanted = Version.parse(version)
        same_major = {known: d for known, d in self._versions.get(object_id, {}).items() if known.major == wanted.major}
        newer = [known for known in same_major if known >= wanted]
        if newer:
            return same_major[min(newer)]
        return same_major[max(same_major)] if same_major else None

    def for_versions(self, versions: Mapping[int, str]) -> Catalogue:
        """Return a catalogue in which the named objects stand in the versions closest to the named ones."""
        view = Catalogue()
        view._versions = self._versions
        view._reusable = self._reusable
        view._chosen = dict(self._chosen)
        for object_id, version in versions.items():
            definition = self.closest(object_id, version)
            if definition is None:
                view._chosen.pop(object_id, None)
            else:
                view._chosen[object_id] = definition
        return view

    def resource(self, path: ObjectPath) -> ResourceDefinition | None:
        """Return the definition of the resource at or above the path, or None where none is known."""
        if path.resource_id is None or path.object_id is None:
            return None
        definition = self._chosen.get(path.object_id)
        if definition is None:
            return self._reusable.get(path.resource_id)
        return definition.resources.get(path.resource_id) or self._reusable.get(path.resource_id)

    def versions(self, object_id: int) -> tuple[str, ...]:
        """Return the known versions of an object, oldest first."""
        return tuple(str(version) for version in sorted(self._versions.get(object_id, {})))

    def __iter__(self) -> Iterator[ObjectDefinition]:
        return iter(self._chosen[object_id] for object_id in sorted(self._chosen))

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._chosen
