"""Writes docs/objects.md from the definitions in objects/: `python tests/docs/objects_page.py`."""

from pathlib import Path

from lwm2m_ml.lwm2m.definitions import ObjectDefinition, ResourceDefinition
from lwm2m_ml.lwm2m.shipped import shipped_definitions

PAGE = Path(__file__).parents[2] / "docs" / "objects.md"
AI_MODEL_CONFIGURATION = 513
FIRST_TEST_ID = 42_768
"""From here on OMA leaves ids for tests and private use."""

HEAD = """\
# The ML objects

<!-- Written by `make docs` from objects/; what is changed here is lost. -->

What a device tells about its machine learning, and what a server may do with it, are LwM2M objects like any other.
Their definitions are OMA DDF files in `objects/`, which are part of the package; `lwm2m-ml objects show ID` prints one,
and `lwm2m-ml objects validate FILE` checks your own. [interfaces.md](interfaces.md) says how they work together.

Object 513 is OMA's. The others have ids from the range that OMA leaves for tests: a product has to register ids of its
own and say so in the settings of its server and devices.

In the third column: operations (R read, W write, E execute), type, range, unit, whether there are several instances of
a resource, and whether it is mandatory.
"""


def page() -> str:
    """The whole page."""
    definitions = sorted(shipped_definitions(), key=lambda one: one.object_id)
    ours = [one for one in definitions if _is_about_models(one)]
    others = [one for one in definitions if not _is_about_models(one)]
    parts = [HEAD, *map(_section, ours), _table_of(others)]
    return "\n".join(parts)


def _is_about_models(definition: ObjectDefinition) -> bool:
    return definition.object_id == AI_MODEL_CONFIGURATION or definition.object_id >= FIRST_TEST_ID


def _section(definition: ObjectDefinition) -> str:
    lines = [
        f"## {definition.object_id}: {definition.name}",
        "",
        f"Version {definition.version}, {'several instances' if definition.multiple else 'one instance'}.",
        _line(definition.description),
        "",
        "| id | name | | |",
        "|--:|---|---|---|",
        *(_row(resource) for resource in definition.resources.values()),
        "",
    ]
    return "\n".join(lines)


def _row(resource: ResourceDefinition) -> str:
    facts = (
        str(resource.operations),
        resource.type.value,
        resource.range_text,
        resource.units,
        "several" if resource.multiple else "",
        "mandatory" if resource.mandatory else "",
    )
    cells = (str(resource.resource_id), resource.name, ", ".join(filter(None, facts)), resource.description)
    return f"| {' | '.join(map(_line, cells))} |"


def _table_of(definitions: list[ObjectDefinition]) -> str:
    rows = (f"| {one.object_id} | {_line(one.name)} | {one.version} |" for one in definitions)
    head = ["## Objects of OMA that the server knows", "", "| id | name | version |", "|--:|---|---|"]
    return "\n".join([*head, *rows, ""])


def _line(text: str) -> str:
    """A text as one line of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
