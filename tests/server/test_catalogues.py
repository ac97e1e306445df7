"""Definitions in the versions that devices told."""

from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.catalogues import MAXIMUM_VIEWS, Catalogues

CATALOGUE = Catalogue(ObjectDefinition(7, "Example", version=version) for version in ("1.0", "1.1", "1.2"))


def told(version: str) -> RegistrationParameters:
    return RegistrationParameters("dev", objects={(7, 0): version, (7, 1): version})


def test_a_device_gets_the_version_it_registered() -> None:
    definition = Catalogues(CATALOGUE).of(told("1.1")).get(7)
    assert definition is not None
    assert definition.version == "1.1"


def test_devices_of_one_kind_share_a_view() -> None:
    catalogues = Catalogues(CATALOGUE)
    assert catalogues.of(told("1.0")) is catalogues.of(told("1.0"))
    assert catalogues.of(told("1.0")) is not catalogues.of(told("1.1"))


def test_the_number_of_views_is_bounded() -> None:
    catalogues = Catalogues(CATALOGUE)
    first = catalogues.of(told("1.0"))
    for minor in range(1, MAXIMUM_VIEWS + 2):
        catalogues.of(told(f"9.{minor}"))
    assert catalogues.of(told("1.0")) is not first
