import pytest

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.format_choice import formats_to_try
from lwm2m_ml.lwm2m.path import ObjectPath

path = ObjectPath.parse


def choose(
    where: str, version: str, catalogue: Catalogue, told: set[int] | None = None, refused: set[int] | None = None
) -> list[int]:
    return list(formats_to_try(path(where), version, told or set(), refused or set(), catalogue))


@pytest.mark.parametrize(
    ("version", "told", "first"),
    [
        ("1.0", set(), 11542),
        ("1.1", set(), 112),
        ("1.1", {110}, 110),
        ("1.1", {60, 11542}, 11542),
        ("1.2", {11544}, 11544),
    ],
)
def test_what_the_client_tells_comes_first(version: str, told: set[int], first: int, catalogue: Catalogue) -> None:
    assert choose("/3/0", version, catalogue, told)[0] == first


def test_what_the_client_refused_is_left_out(catalogue: Catalogue) -> None:
    assert ContentFormat.SENML_CBOR not in choose("/3/0", "1.1", catalogue, refused={112})


def test_there_is_always_another_try(catalogue: Catalogue) -> None:
    assert choose("/3/0", "1.0", catalogue, refused={11542}) == [11542]


def test_single_resources_may_come_as_text_or_bytes(catalogue: Catalogue) -> None:
    assert choose("/3/0/0", "1.0", catalogue)[-1] == ContentFormat.TEXT
    assert choose("/5/0/0", "1.0", catalogue)[-1] == ContentFormat.OPAQUE
    assert ContentFormat.TEXT not in choose("/3/0/6", "1.0", catalogue)
    assert ContentFormat.TEXT in choose("/3/0/6/0", "1.1", catalogue)


def test_clients_of_1_0_are_not_asked_for_senml_unless_they_tell_it(catalogue: Catalogue) -> None:
    assert choose("/3/0", "1.0", catalogue) == [11542]
    assert choose("/3/0", "1.0", catalogue, told={112})[0] == 112
