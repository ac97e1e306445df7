import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.value import ObjectLink, ValueFormatError


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_links_read_back(object_id: int, instance_id: int) -> None:
    link = ObjectLink(object_id, instance_id)
    assert ObjectLink.parse(str(link)) == link


@pytest.mark.parametrize(
    "text", ["", "3", "3:", ":0", "3:0:1", "a:b", "-1:0", "65536:0", "²:1", "3: 0", "1" * 100 + ":0"]
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(ValueFormatError):
        ObjectLink.parse(text)


def test_a_link_leads_to_an_instance_an_object_or_nothing() -> None:
    assert ObjectLink(9, 1).path == ObjectPath(9, 1)
    assert ObjectLink(9, 65535).path == ObjectPath(9)
    assert ObjectLink().is_null
    assert ObjectLink().path == ROOT
