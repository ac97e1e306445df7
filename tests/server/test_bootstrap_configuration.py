"""Configurations: by name, by pattern, written down."""

import pytest

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration, BootstrapConfigurations

SECURITY = Record(ObjectPath(0, 1, 0), "coap://server")
SERVER = Record(ObjectPath(1, 0, 1), 300)
LIFETIME = Record(ObjectPath(1, 0, 0), 101)


def test_values_are_grouped_by_instance_with_security_first() -> None:
    configuration = BootstrapConfiguration((SERVER, SECURITY, LIFETIME))
    assert configuration.instances == ((ObjectPath(0, 1), (SECURITY,)), (ObjectPath(1, 0), (LIFETIME, SERVER)))


def test_a_configuration_reads_back_as_it_was() -> None:
    key = Record(ObjectPath(0, 1, 5), b"\x00\x01secret")
    configuration = BootstrapConfiguration((SECURITY, key, SERVER), (ObjectPath(0, 1), ROOT))
    assert BootstrapConfiguration.from_document(configuration.to_document()) == configuration


def test_the_name_wins_then_the_longest_pattern() -> None:
    one, two, three = (BootstrapConfiguration((Record(ObjectPath(1, 0, 0), number),)) for number in range(3))
    configurations = BootstrapConfigurations({"*": one, "sensor-*": two, "sensor-7": three})
    assert [configurations.of(name) for name in ("other", "sensor-1", "sensor-7")] == [one, two, three]
    configurations.delete("*")
    assert configurations.of("other") is None


def test_what_cannot_be_written_or_deleted_is_refused() -> None:
    with pytest.raises(UsageError):
        BootstrapConfiguration((Record(ObjectPath(1, 0), None),))
    with pytest.raises(UsageError):
        BootstrapConfiguration((), (ObjectPath(1, 0, 1),))
