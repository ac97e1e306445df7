import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition, Operations, ResourceDefinition, ResourceType

READ_WRITE = Operations.READ | Operations.WRITE


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared reference data, where it is there."""
    named = os.environ.get("LWM2M_ML_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    if not (folder / "oma-registry").is_dir():
        pytest.skip("the OMA registry is not here: set LWM2M_ML_SHARED to the folder that holds oma-registry")
    return folder


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The shipped definitions and an object 33000 with a single and a multiple resource of each type.

    The single resource of type n is n, the multiple one 300 + n, so that both widths of ids occur.
    """
    known = Catalogue.shipped()
    resources = {}
    for index, kind in enumerate(kind for kind in ResourceType if kind is not ResourceType.NONE):
        for number, multiple in ((index, False), (300 + index, True)):
            resources[number] = ResourceDefinition(number, kind.value, READ_WRITE, kind, multiple=multiple)
    known.add(ObjectDefinition(33000, "All Types", resources=resources))
    return known


@pytest.fixture(scope="session")
def resource_ids() -> Callable[[ResourceType], tuple[int, int]]:
    """The single and the multiple resource of a type in object 33000."""
    kinds: list[ResourceType] = [kind for kind in ResourceType if kind is not ResourceType.NONE]
    return lambda kind: (kinds.index(kind), 300 + kinds.index(kind))
