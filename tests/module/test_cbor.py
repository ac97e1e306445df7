"""Deterministic CBOR: cbor2 is the oracle for values, RFC 8949 for what must be refused."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import MalformedCborError

KEYS = st.integers(min_value=0, max_value=20) | st.integers(min_value=-300, max_value=-257)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(1 << 64), max_value=(1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20)
    | st.floats(allow_nan=False)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner), max_leaves=12)


@given(VALUES)
def test_values_survive_the_round_trip_and_cbor2_reads_them(value: object) -> None:
    try:
        data = cbor.encode(value)
        decoded = cbor.decode(data)
    except MalformedCborError:
        assert _depth(value) >= cbor.MAXIMUM_DEPTH
    else:
        assert decoded == value
        assert cbor2.loads(data) == value


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_decoded_or_refused_never_worse(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except MalformedCborError:
        return
    assert cbor.encode(value) == data


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("", "nothing"),
        ("1801", "a number in a longer form than needed"),
        ("190010", "a number in a longer form than needed"),
        ("5f4101ff", "an indefinite length"),
        ("9f01ff", "an indefinite length"),
        ("a2020101 02".replace(" ", ""), "keys out of order"),
        ("a201010102", "a key twice"),
        ("a1f601", "a key that is no number"),
        ("c074323031332d30332d32315432303a30343a30305a", "a date"),
        ("c24101", "a big number"),
        ("d81c01", "a shared value"),
        ("0000", "two values"),
        ("62c328", "text that is not UTF-8"),
        ("fb3ff0000000000000", "a float in a longer form than needed"),
        ("f0", "an unassigned simple value"),
        ("f818", "a simple value in two bytes"),
        ("1c", "a reserved length"),
        ("5affffffff00", "a string longer than its input"),
        ("9affffffff00", "an array longer than its input"),
        ("baffffffff00", "a map longer than its input"),
        ("81" * 9 + "00", "deep nesting"),
    ],
)
def test_what_is_not_deterministic_cbor_is_refused(data: str, what: str) -> None:
    with pytest.raises(MalformedCborError):
        cbor.decode(bytes.fromhex(data))


def test_map_keys_are_in_the_order_of_rfc_8949() -> None:
    envelope = {"#module": 5, -259: 4, -257: 3, 3: 2, 2: 1}
    keys = list(cbor2.loads(cbor.encode(envelope)))
    assert keys == [2, 3, -257, -259, "#module"]
    encoded = [cbor.encode(key) for key in keys]
    assert encoded == sorted(encoded)


def _depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max((_depth(item) for item in value), default=0)
    if isinstance(value, dict):
        return 1 + max((_depth(item) for item in value.values()), default=0)
    return 1
