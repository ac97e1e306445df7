import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.codecs.bounded_cbor import ShortestFloat, _check_structure, _is_flat_pack, dump_cbor, load_cbor
from lwm2m_ml.lwm2m.codecs.codec_error import MAX_NESTING, CodecError

SCALARS = (
    st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    | st.binary(max_size=300)
)
KEYS = st.integers(-10, 70_000) | st.text("abc", max_size=3) | st.tuples(st.integers(0, 9), st.integers(0, 9))
ITEMS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=30) | st.dictionaries(KEYS, inner, max_size=30), max_leaves=30
)


@given(ITEMS, st.booleans())
def test_whatever_another_library_writes_is_read(item: object, canonical: bool) -> None:
    """The encoder of cbor2 is the oracle."""
    payload = cbor2.dumps(item, canonical=canonical)
    if depth(item) <= MAX_NESTING:
        assert load_cbor(payload) == item
    else:
        with pytest.raises(CodecError, match="nested"):
            load_cbor(payload)


def depth(item: object) -> int:
    if isinstance(item, dict):
        return 1 + max(map(depth, [*item, *item.values()]), default=0) if item else 0
    return 1 + max(map(depth, item)) if isinstance(item, (list, tuple)) and item else 0


FLAT_SCALARS = SCALARS | st.text("ab", max_size=23) | st.binary(max_size=23)
PACKS = st.lists(st.dictionaries(st.integers(-10, 30), FLAT_SCALARS, max_size=6), max_size=20).map(cbor2.dumps)


@given(PACKS, st.integers(0), st.binary(max_size=2), st.integers(0, 2))
def test_the_short_way_for_flat_packs_passes_nothing_that_the_long_way_refuses(
    pack: bytes, position: int, inserted: bytes, removed: int
) -> None:
    start = position % (len(pack) + 1)
    damaged = pack[:start] + inserted + pack[start + removed :]
    if _is_flat_pack(damaged):
        assert _check_structure(damaged) is False


def test_an_ordinary_pack_takes_the_short_way() -> None:
    pack = [{-2: "/42771/0/", -3: 1.7e9, 0: "3", 2: 20.25}, {0: "1", 2: 7}, {0: "2", 3: "seven"}, {0: "9", 4: True}]
    assert _is_flat_pack(cbor2.dumps(pack))
    assert not _is_flat_pack(cbor2.dumps([{0: "1", 2: cbor2.CBORTag(1, 5)}]))


@given(ITEMS)
def test_every_truncation_is_refused(item: object) -> None:
    payload = cbor2.dumps(item)
    for length in range(min(len(payload), 60)):
        with pytest.raises(CodecError):
            load_cbor(payload[:length])
    with pytest.raises(CodecError):
        load_cbor(payload + b"\x00")


@pytest.mark.parametrize(
    ("payload", "item"),
    [
        ("9f01ff", [1]),
        ("9fff", []),
        ("bf0102ff", {1: 2}),
        ("7f61616162ff", "ab"),
        ("5f41004101ff", b"\x00\x01"),
        ("a1009f01ff", {0: [1]}),
    ],
)
def test_indefinite_lengths_are_read(payload: str, item: object) -> None:
    assert load_cbor(bytes.fromhex(payload)) == item


@pytest.mark.parametrize(
    "payload", ["ff", "9f", "bf01ff", "7f4100ff", "1c", "3e", "fc", "9c", "c2", "d818", "a1", "81", "82ff", "c6"]
)
def test_what_is_not_well_formed_or_not_used_is_refused(payload: str) -> None:
    with pytest.raises(CodecError):
        load_cbor(bytes.fromhex(payload))


def test_the_deepest_allowed_structure_is_read() -> None:
    assert load_cbor(b"\x81" * MAX_NESTING + b"\x00")
    with pytest.raises(CodecError):
        load_cbor(b"\x81" * (MAX_NESTING + 1) + b"\x00")


@pytest.mark.parametrize(
    ("payload", "number"), [("c11a5182428f", 1367491215.0), ("c48221196ab3", 273.15), ("81c1f93e00", [1.5])]
)
def test_tagged_times_and_decimals_become_numbers(payload: str, number: object) -> None:
    assert load_cbor(bytes.fromhex(payload)) == number


@given(st.floats())
def test_floats_take_four_or_eight_bytes_and_stay_exact(value: float) -> None:
    payload = dump_cbor(ShortestFloat(value))
    assert len(payload) in {5, 9}
    assert str(cbor2.loads(payload)) == str(value)


def test_maps_keep_the_order_of_their_keys() -> None:
    assert dump_cbor({-2: "/3/", 0: "1", 2: 5}).hex() == "a321632f332f00613102 05".replace(" ", "")


def test_other_types_are_refused() -> None:
    with pytest.raises(CodecError):
        dump_cbor(object())
