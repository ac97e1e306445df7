"""Finds the object definitions that come with this package, installed or in a checkout."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import lwm2m_ml
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m.ddf import parse_definitions, parse_reusable_resources
from lwm2m_ml.lwm2m.definitions import ObjectDefinition, ResourceDefinition


def objects_directory() -> Traversable:
    """Return the folder of definition files: inside the package, or beside it in a checkout."""
    installed = files(lwm2m_ml) / "objects"
    if installed.is_dir():
        return installed
    checkout = Path(lwm2m_ml.__file__).resolve().parent.parent / "objects"
    if checkout.is_dir():
        return checkout
    raise NotFoundError("The object definitions of lwm2m-ml are not there", hint="Install the package again")


def shipped_files() -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every definition file, by name."""
    for entry in sorted(objects_directory().iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".xml"):
            yield entry.name, entry.read_bytes()


def read_definitions(directory: Path) -> tuple[ObjectDefinition, ...]:
    """Return the object definitions of every XML file in a folder of the operator's own; none where it is missing."""
    if not directory.is_dir():
        return ()
    return tuple(
        definition
        for file in sorted(directory.glob("*.xml"))
        for definition in parse_definitions(file.read_bytes(), file.name)
    )


@functools.cache
def shipped_definitions() -> tuple[ObjectDefinition, ...]:
    """Return every shipped object definition."""
    return tuple(definition for name, content in shipped_files() for definition in parse_definitions(content, name))


@functools.cache
def shipped_reusable_resources() -> tuple[ResourceDefinition, ...]:
    """Return the reusable resources that are known without their object."""
    name = "reusable_resources.xml"
    return parse_reusable_resources((files("lwm2m_ml.lwm2m") / name).read_bytes(), name)
