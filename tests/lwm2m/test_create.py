"""Create: who numbers the new instance."""

import pytest

from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.create import names_instance
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record

RECORDS = (Record(ObjectPath(1, 2, 1), 300), Record(ObjectPath(1, 2, 7), "U"))


def test_an_empty_payload_leaves_the_number_to_the_client() -> None:
    assert not names_instance(b"", None)
    assert not names_instance(b"", 11542)


@pytest.mark.parametrize("content_format", [11542, 1542, 110, 112, 11544])
def test_values_of_an_instance_name_it(content_format: int) -> None:
    payload = encode(RECORDS, content_format, ObjectPath(1), Catalogue.shipped())
    assert names_instance(payload, content_format)


def test_bare_resources_in_tlv_do_not() -> None:
    payload = encode(RECORDS, 11542, ObjectPath(1, 2), Catalogue.shipped())
    assert not names_instance(payload, 11542)
