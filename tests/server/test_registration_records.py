"""Records of registrations: what goes to disk comes back as it was."""

from typing import Any

import pytest

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.errors import UnreadableRecord
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registration_records import scheme_of, to_parameters, to_record


class Peer:
    scheme = "coaps"
    address = ("::1", 40000)


def test_parameters_survive_the_record() -> None:
    parameters = RegistrationParameters(
        None,
        lifetime=0,
        version="1.2",
        binding="UT",
        queue_mode=True,
        sms="+44",
        objects={(3, 0): "1.2", (4, None): "1.3", (9, 65534): "1.0"},
        content_formats=frozenset({112, 11544}),
        root_path="/lwm2m",
        profile_id="p",
        attributes={"mac": "1", "hb": None},
    )
    remote: Any = Peer()
    record = to_record(Registration("dev", "x", parameters, "identity", remote, 1.0, 2.0))
    assert to_parameters(record) == parameters
    assert (record.address_host, record.address_port, record.identity) == ("::1", 40000, "identity")
    assert scheme_of(record) == "coaps"


def test_devices_of_one_kind_share_what_was_stored_of_them() -> None:
    remote: Any = Peer()
    parameters = RegistrationParameters(None, objects={(3, 0): "1.0"})
    records = [to_record(Registration(name, name, parameters, None, remote, 1.0, 2.0)) for name in ("a", "b")]
    first, second = map(to_parameters, records)
    assert first is second
    assert to_parameters(records[0]._replace(lifetime=7)) is not first


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"objects": {"/3/0": null}}',
        '{"objects": {"3": "1.0"}, "content_formats": []}',
    ],
)
def test_a_document_that_nobody_wrote_is_an_error_of_its_own(document: str) -> None:
    remote: Any = Peer()
    record = to_record(Registration("dev", "x", RegistrationParameters(None), None, remote, 1.0, 2.0))
    with pytest.raises(UnreadableRecord, match="'dev'"):
        to_parameters(record._replace(parameters=document))
