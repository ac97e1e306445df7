"""The mirror: what goes to disk comes back as it was."""

from typing import Any

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.mirror import scheme_of, to_parameters, to_record
from lwm2m_ml.server.registration import Registration


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


async def test_signs_of_life_reach_the_disk_by_themselves(running: Any, device: Any) -> None:
    await device.register()
    await device.update()
    seen = running.server.registry.get("dev").updated_at
    while (await running.store.registrations.all())[0].updated_at != seen:
        await running.store.writer.flush()


def test_devices_of_one_kind_share_what_was_stored_of_them() -> None:
    remote: Any = Peer()
    parameters = RegistrationParameters(None, objects={(3, 0): "1.0"})
    records = [to_record(Registration(name, name, parameters, None, remote, 1.0, 2.0)) for name in ("a", "b")]
    first, second = map(to_parameters, records)
    assert first is second
    assert to_parameters(records[0]._replace(lifetime=7)) is not first
