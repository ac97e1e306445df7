"""Asks a device which modules it runs and what it has counted of each: two reads, whatever the number of slots."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.monitoring.counters import Counters, read_counters
from lwm2m_ml.service.resources import ModelResource, ResultResource


@dataclass(frozen=True, slots=True)
class Finding:
    """A module in use on a device; no counters where the device tells none or absurd ones."""

    slot: int
    digest: bytes
    counters: Counters | None


async def survey(access: DeviceAccess, endpoint: str, model_object: int, result_object: int) -> tuple[Finding, ...]:
    """Return the modules in use on a device, by slot; nothing for a device without ML Model objects.

    Raises what reading raises.
    """
    if not access.instances(endpoint, model_object):
        return ()
    in_use = _modules_in_use(await access.read(endpoint, ObjectPath(model_object)))
    if not in_use:
        return ()
    counted = _by_slot(await _results(access, endpoint, result_object))
    return tuple(
        Finding(slot, digest, read_counters(counted[slot]) if slot in counted else None)
        for slot, digest in sorted(in_use.items())
    )


async def _results(access: DeviceAccess, endpoint: str, result_object: int) -> Sequence[Record]:
    if not access.instances(endpoint, result_object):
        return ()
    return await access.read(endpoint, ObjectPath(result_object))


def _modules_in_use(records: Sequence[Record]) -> dict[int, bytes]:
    states: dict[int, object] = {}
    digests: dict[int, bytes] = {}
    for record in records:
        slot, resource = record.path.instance_id, record.path.resource_id
        if slot is None:
            continue
        if resource == ModelResource.STATE:
            states[slot] = record.value
        elif resource == ModelResource.MODULE_DIGEST and isinstance(record.value, bytes):
            digests[slot] = record.value
    in_use = {ModuleState.ACTIVE, ModuleState.TRIAL}
    return {slot: digest for slot, digest in digests.items() if states.get(slot) in in_use and any(digest)}


def _by_slot(records: Sequence[Record]) -> dict[int, list[Record]]:
    """Group results by the slot that Model links to; the first output of a model counts for it."""
    instances: dict[int, list[Record]] = {}
    for record in records:
        if record.path.instance_id is not None:
            instances.setdefault(record.path.instance_id, []).append(record)
    slots: dict[int, list[Record]] = {}
    for _, of_instance in sorted(instances.items()):
        for record in of_instance:
            if record.path.resource_id == ResultResource.MODEL and isinstance(record.value, ObjectLink):
                slots.setdefault(record.value.instance_id, of_instance)
    return slots
