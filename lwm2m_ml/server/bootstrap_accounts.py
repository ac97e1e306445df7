"""The servers' accounts in what bootstrap writes: object 0 with a device's own key, where it does not collide."""

from collections.abc import Collection, Mapping, Sequence

from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml.lwm2m.link_format import LinkFormatError, parse_links
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

SECURITY = 0
URI, BOOTSTRAP_SERVER, MODE, IDENTITY, SECRET_KEY = 0, 1, 2, 3, 5


def with_key(records: Sequence[Record], identity: str, key: bytes) -> tuple[Record, ...]:
    """The records with a pre-shared key in every account but those of bootstrap servers."""
    mode = int(SecurityMode.PRE_SHARED_KEY)
    return _with_values(records, {MODE: mode, IDENTITY: identity.encode(), SECRET_KEY: key})


def at_node(records: Sequence[Record], uri: str) -> tuple[Record, ...]:
    """The records with a server's URI in every account but those of bootstrap servers."""
    return _with_values(records, {URI: uri})


def accounts(records: Sequence[Record]) -> frozenset[int]:
    """The instances of object 0 in these records that lead to a server, not to a bootstrap server."""
    of_bootstrap = {
        record.path.instance_id
        for record in records
        if record.path.object_id == SECURITY and record.path.resource_id == BOOTSTRAP_SERVER and record.value is True
    }
    found = {record.path.instance_id for record in records if record.path.object_id == SECURITY}
    return frozenset(one for one in found - of_bootstrap if one is not None)


def _with_values(records: Sequence[Record], values: Mapping[int, Value]) -> tuple[Record, ...]:
    given = accounts(records)
    others = [
        record
        for record in records
        if not (
            record.path.object_id == SECURITY and record.path.instance_id in given and record.path.resource_id in values
        )
    ]
    added = [
        Record(ObjectPath(SECURITY, instance, resource), value)
        for instance in sorted(given)
        for resource, value in values.items()
    ]
    return (*others, *added)


def bootstrap_accounts(discovered: bytes) -> frozenset[int]:
    """The instances of object 0 without a short server id in a Bootstrap-Discover's answer (V1_2 §6.1.7.3)."""
    try:
        links = parse_links(discovered)
    except LinkFormatError:
        return frozenset()
    found = set()
    for link in links:
        try:
            path = ObjectPath.parse(link.target)
        except PathError:
            continue
        if path.object_id == SECURITY and path.level == 2 and "ssid" not in link.attributes:
            found.add(path.segments[1])
    return frozenset(found)


def beside(records: Sequence[Record], taken: Collection[int]) -> tuple[Record, ...]:
    """The records with accounts moved to instances of object 0 that are not taken."""
    instances = sorted({one.path.segments[1] for one in records if one.path.object_id == SECURITY})
    used = {*taken, *(one for one in instances if one not in taken)}
    moves: dict[int, int] = {}
    for instance in instances:
        if instance in taken:
            free = next(number for number in range(len(used) + 1) if number not in used)
            used.add(free)
            moves[instance] = free
    return tuple(
        one._replace(path=ObjectPath(SECURITY, moves[one.path.segments[1]], *one.path.segments[2:]))
        if one.path.object_id == SECURITY and one.path.segments[1] in moves
        else one
        for one in records
    )
