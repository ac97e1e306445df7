"""Object definitions that an operator adds to the shipped ones: a folder of definition files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.lwm2m.ddf import DefinitionError, parse_definitions, validate
from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition
from lwm2m_ml.lwm2m.shipped import read_definitions

FOLDER = "objects"
"""Where in the data directory the files are."""

MAX_FILE_BYTES = 4 * 1024 * 1024


def whole_catalogue(folder: Path, numbers: Mapping[int, int]) -> Catalogue:
    """Return the shipped definitions, some under other numbers, and those of the folder, which win."""
    catalogue = Catalogue.shipped()
    for shipped, chosen in numbers.items():
        definition = catalogue.get(shipped)
        if definition is not None and shipped != chosen:
            catalogue.add(definition.renumbered(chosen))
    for definition in read_definitions(folder):
        catalogue.add(definition)
    return catalogue


def read_file(file: Path) -> bytes:
    """Return the content of a definition file; raises `DefinitionError` when it cannot be read or is too large."""
    try:
        content = file.read_bytes() if file.stat().st_size <= MAX_FILE_BYTES else None
    except OSError as error:
        raise DefinitionError(f"{file} cannot be read ({error.strerror})", hint="Name a definition file") from error
    if content is None:
        raise DefinitionError(f"{file} is larger than {MAX_FILE_BYTES} bytes", hint="Name a definition file")
    return content


def add_file(folder: Path, file: Path, *, replace: bool = False, keep: bool = True) -> tuple[ObjectDefinition, ...]:
    """Check a definition file and copy it into the folder, unless it is only to be checked; return what it defines.

    Raises `DefinitionError` for a file that is not valid and `ConflictError` when the folder has that version of an
    object already, unless `replace`.
    """
    content = read_file(file)
    findings = validate(content, file.name)
    if findings:
        raise DefinitionError(f"{findings[0]}", hint="Correct the file; `lwm2m-ml objects validate` tells everything")
    definitions = parse_definitions(content, file.name)
    first = definitions[0]
    target = folder / f"{first.object_id}-{first.version}.xml"
    if target.exists() and not replace:
        raise ConflictError(
            f"Object {first.object_id} {first.version} was added before", hint="Replace it with --replace"
        )
    if not keep:
        return definitions
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # the data directory, which holds secrets, too
    folder.mkdir(exist_ok=True, mode=0o700)
    part = target.with_suffix(".part")
    part.write_bytes(content)
    part.rename(target)
    return definitions
