"""Every codec gives back what it was given: each type, each level (property tests)."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value

KINDS: list[ResourceType] = [kind for kind in ResourceType if kind is not ResourceType.NONE]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VALUES: dict[ResourceType, st.SearchStrategy[Value]] = {
    ResourceType.STRING: TEXT,
    ResourceType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ResourceType.UNSIGNED_INTEGER: st.integers(0, 2**64 - 1),
    ResourceType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    ResourceType.BOOLEAN: st.booleans(),
    ResourceType.OPAQUE: st.binary(max_size=300),
    ResourceType.TIME: st.integers(-(2**40), 2**40),
    ResourceType.OBJECT_LINK: st.builds(ObjectLink, st.integers(0, 65535), st.integers(0, 65535)),
    ResourceType.CORE_LINK: st.just('</3/0>;ver="1.1",</5>'),
}
STRUCTURED = [
    ContentFormat.SENML_JSON,
    ContentFormat.SENML_CBOR,
    ContentFormat.SENML_ETCH_JSON,
    ContentFormat.SENML_ETCH_CBOR,
    ContentFormat.TLV,
    ContentFormat.LWM2M_JSON,
    ContentFormat.LWM2M_CBOR,
]
EVERY_TYPE = [*STRUCTURED, ContentFormat.TEXT, ContentFormat.CBOR]
LEVELS = {
    "root": 0,
    "object": 1,
    "instance": 2,
    "resource": 3,
    "resource instance": 4,
}
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(records: Sequence[Record], content_format: int, base: ObjectPath, catalogue: Catalogue) -> None:
    decoded = decode(encode(records, content_format, base, catalogue), content_format, base, catalogue)
    assert sorted(decoded, key=lambda record: record.path) == sorted(records, key=lambda record: record.path)
    for before, after in zip(sorted(records, key=by_path), sorted(decoded, key=by_path), strict=True):
        assert type(after.value) is type(before.value)


def by_path(record: Record) -> ObjectPath:
    return record.path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content_format", EVERY_TYPE)
@given(data=st.data())
@relaxed
def test_a_resource_of_each_type_survives(
    content_format: ContentFormat, kind: ResourceType, data: st.DataObject, catalogue: Catalogue
) -> None:
    base = ObjectPath(33000, data.draw(st.integers(0, 65534)), KINDS.index(kind))
    check([Record(base, data.draw(VALUES[kind]))], content_format, base, catalogue)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("content_format", STRUCTURED)
@given(data=st.data())
@relaxed
def test_a_tree_of_every_level_survives(
    content_format: ContentFormat, level: int, data: st.DataObject, catalogue: Catalogue
) -> None:
    if level == 0 and content_format is ContentFormat.TLV:
        return  # TLV has no entry for objects
    base = data.draw(paths()).ancestor(level)
    candidates = list(data.draw(st.lists(paths(base), unique=True, max_size=12)))
    records = [Record(path, data.draw(VALUES[KINDS[(path.resource_id or 0) % 300]])) for path in candidates]
    check(records, content_format, base, catalogue)


def paths(base: ObjectPath = ROOT) -> st.SearchStrategy[ObjectPath]:
    """Paths of values in object 33000, at or below a base."""
    given_numbers = base.segments
    instance = st.integers(0, 65534) if base.level < 2 else st.just(given_numbers[1])
    single = st.tuples(instance, st.integers(0, len(KINDS) - 1))
    number = st.integers(0, len(KINDS) - 1).map(lambda index: 300 + index)
    multiple = st.tuples(instance, number, st.integers(0, 65534))
    if base.level == 4:
        return st.just(base)
    if base.level == 3:
        if given_numbers[2] < 300:
            return st.just(base)
        return st.integers(0, 65534).map(base.child)
    return (single | multiple).map(lambda numbers: ObjectPath.of(33000, *numbers))


@pytest.mark.parametrize(
    "content_format", [ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_JSON]
)
@given(times=st.lists(st.none() | st.floats(1, 4e9) | st.integers(1, 4 * 10**9).map(float), max_size=8))
@relaxed
def test_a_time_series_survives_exactly(
    content_format: ContentFormat, times: list[float | None], catalogue: Catalogue
) -> None:
    base = ObjectPath(33000, 0, KINDS.index(ResourceType.FLOAT))
    records = tuple(Record(base, float(index), time) for index, time in enumerate(times))
    payload = encode(records, content_format, base, catalogue)
    assert decode(payload, content_format, base, catalogue) == records


@pytest.mark.parametrize("content_format", [ContentFormat.SENML_ETCH_JSON, ContentFormat.SENML_ETCH_CBOR])
@given(data=st.data())
@relaxed
def test_the_paths_of_a_composite_read_survive(
    content_format: ContentFormat, data: st.DataObject, catalogue: Catalogue
) -> None:
    wanted = data.draw(st.lists(st.integers(1, 4).flatmap(lambda level: paths().map(lambda p: p.ancestor(level)))))
    records = tuple(Record(path, None) for path in wanted)
    assert decode(encode(records, content_format, ROOT, catalogue), content_format, ROOT, catalogue) == records


@pytest.mark.parametrize(
    "content_format", [ContentFormat.SENML_CBOR, ContentFormat.CBOR, ContentFormat.TLV, ContentFormat.LWM2M_CBOR]
)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_binary_formats_carry_unusual_floats(content_format: int, value: float, catalogue: Catalogue) -> None:
    base = ObjectPath(33000, 0, KINDS.index(ResourceType.FLOAT))
    (record,) = decode(encode([Record(base, value)], content_format, base, catalogue), content_format, base, catalogue)
    assert isinstance(record.value, float)
    assert record.value == value or (math.isnan(record.value) and math.isnan(value))


@given(value=st.binary(max_size=3000))
@relaxed
def test_opaque_is_the_bytes_themselves(value: bytes, catalogue: Catalogue) -> None:
    base = ObjectPath(33000, 0, KINDS.index(ResourceType.OPAQUE))
    assert encode([Record(base, value)], ContentFormat.OPAQUE, base, catalogue) == value
    assert decode(value, ContentFormat.OPAQUE, base, catalogue) == (Record(base, value),)


def test_link_format_is_the_links_themselves(catalogue: Catalogue) -> None:
    base = ObjectPath(25, 0, 3)
    payload = b'</3>;ver="1.1",</3/0>'
    assert decode(payload, ContentFormat.LINK, base, catalogue) == (Record(base, payload.decode()),)
    assert encode([Record(base, payload.decode())], ContentFormat.LINK, base, catalogue) == payload
