"""Provenance survives, and what is wrong with one is said."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import InvalidDescriptorError
from lwm2m_ml.module.provenance import Provenance

PROVENANCE = Provenance(
    bytes(32), ("lwm2m-ml", "0.1.0"), ("native", "1"), ("zig", "0.17.0"), bytes(range(32)), bytes([7] * 32)
)


def test_provenance_survives_the_round_trip_with_and_without_calibration() -> None:
    assert Provenance.decode(PROVENANCE.encode()) == PROVENANCE
    without = Provenance(bytes(32), ("a", "b"), ("c", "d"), ("e", "f"), bytes(32))
    assert Provenance.decode(without.encode()) == without


@pytest.mark.parametrize("change", [{0: 2}, {1: b"short"}, {3: ["one"]}, {4: [1, 2]}, {6: "text"}, {9: 1}, {2: None}])
def test_another_form_is_refused(change: dict[int, Any]) -> None:
    value = cbor2.loads(PROVENANCE.encode()) | change
    with pytest.raises(InvalidDescriptorError):
        Provenance.decode(cbor.encode(value))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidDescriptorError):
        Provenance.decode(data)
