"""Records inside JSON documents keep their types."""

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.senml_documents import from_senml, to_senml


@pytest.mark.parametrize("value", ["", "text", 0, -7, 2**60, 0.1, True, False, b"", b"\x00\xff", ObjectLink(3, 0)])
def test_a_value_comes_back_as_it_was(value: Value) -> None:
    (record,) = from_senml(to_senml([Record(ObjectPath(9, 0, 3), value)]))
    assert record == Record(ObjectPath(9, 0, 3), value)
    assert type(record.value) is type(value)


def test_nothing_is_nothing() -> None:
    assert to_senml([]) == ""
    assert from_senml("") == ()
