import pytest

from lwm2m_ml.lwm2m.bootstrap import (
    Account,
    BootstrapError,
    Configuration,
    SecurityMode,
    Step,
    bootstrap_pack,
    bootstrap_requests,
    configuration_records,
    short_server_ids,
)
from lwm2m_ml.lwm2m.codecs import decode
from lwm2m_ml.lwm2m.conformance import ConformanceError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

path = ObjectPath.parse
SERVER = Account("coaps://dm.example:5684", 101, SecurityMode.PRE_SHARED_KEY, b"node", secret=b"key", mute_send=False)
CONFIGURATION = Configuration(
    accounts=(Account("coap://bs.example"), SERVER),
    deleted=(path("/0"), path("/1")),
    further=(Record(path("/2/0/0"), 3), Record(path("/2/0/1"), 0), Record(path("/2/0/3"), 101)),
)


@pytest.mark.parametrize("content_format", [11542, 110, 112, 11544])
def test_a_bootstrap_deletes_writes_each_object_and_finishes(content_format: int, catalogue: Catalogue) -> None:
    requests = bootstrap_requests(CONFIGURATION, content_format, catalogue)
    assert [(request.step, str(request.path)) for request in requests] == [
        (Step.DELETE, "/0"),
        (Step.DELETE, "/1"),
        (Step.WRITE, "/0"),
        (Step.WRITE, "/1"),
        (Step.WRITE, "/2"),
        (Step.FINISH, "/"),
    ]
    written = [
        record
        for request in requests
        if request.step is Step.WRITE
        for record in decode(request.payload, content_format, request.path, catalogue)
    ]
    assert sorted(written) == sorted(configuration_records(CONFIGURATION, catalogue))


def test_accounts_become_security_and_server_instances(catalogue: Catalogue) -> None:
    values = {str(record.path): record.value for record in configuration_records(CONFIGURATION, catalogue)}
    assert values["/0/0/1"] is True
    assert "/0/0/10" not in values
    assert values["/0/1/10"] == values["/1/0/0"] == 101
    assert values["/0/1/5"] == b"key"
    assert values["/1/0/23"] is False


@pytest.mark.parametrize("content_format", [110, 112, 11544])
def test_a_pack_holds_everything_at_once(content_format: int, catalogue: Catalogue) -> None:
    payload = bootstrap_pack(CONFIGURATION, content_format, catalogue)
    expected = configuration_records(CONFIGURATION, catalogue)
    assert decode(payload, content_format, ROOT, catalogue) == expected
    with pytest.raises(BootstrapError):
        bootstrap_pack(CONFIGURATION, 11542, catalogue)


@pytest.mark.parametrize("accounts", [(), (Account("coap://bs"),), (SERVER, SERVER)])
def test_configurations_without_distinct_servers_are_refused(
    accounts: tuple[Account, ...], catalogue: Catalogue
) -> None:
    with pytest.raises(BootstrapError):
        configuration_records(Configuration(accounts), catalogue)


def test_values_are_checked_against_the_definitions(catalogue: Catalogue) -> None:
    with pytest.raises(ConformanceError, match="/0/0/10"):
        configuration_records(Configuration((Account("coap://host", 65535),)), catalogue)


def test_the_servers_own_instance_is_found_by_its_short_id() -> None:
    records = [Record(path("/1/1/0"), 101), Record(path("/1/1/1"), 60), Record(path("/1/7/0"), 5)]
    assert short_server_ids(records) == {101: 1, 5: 7}


def test_secrets_stay_out_of_what_is_printed() -> None:
    assert "key" not in repr(SERVER).replace("server_key", "")
