import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.send import FORMATS, SendError, format_send, parse_send

path = ObjectPath.parse
RESULT = (
    Record(path("/42771/0/1"), 7),
    Record(path("/42771/0/3"), 99.609375),
    Record(path("/42771/0/4/0"), 0.390625),
    Record(path("/42771/0/4/7"), 99.609375),
    Record(path("/42771/0/5"), 12),
    Record(path("/42770/0/25"), 12),
)


@pytest.mark.parametrize("content_format", sorted(FORMATS))
def test_results_over_several_objects_arrive(content_format: int, catalogue: Catalogue) -> None:
    assert parse_send(format_send(RESULT, content_format, catalogue), content_format, catalogue) == RESULT


def test_a_series_keeps_its_times(catalogue: Catalogue) -> None:
    series = tuple(Record(path("/42771/0/1"), index, 1.7e9 + index / 4) for index in range(3))
    assert parse_send(format_send(series, 112, catalogue), 112, catalogue) == series


@pytest.mark.parametrize("content_format", [None, 0, 11542, 320, 4711])
def test_other_formats_get_4_15(content_format: int | None, catalogue: Catalogue) -> None:
    with pytest.raises(SendError) as refused:
        parse_send(b"\x80", content_format, catalogue)
    assert refused.value.code is ResponseCode.UNSUPPORTED_CONTENT_FORMAT


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"[",
        b'[{"n":"/3/0/9"}]',
        b'[{"n":"/0/0/1","vb":true}]',
        b'[{"n":"/3/0/9","vs":"x"}]',
        b'[{"n":"/3/0","v":1}]',
    ],
)
def test_malformed_reports_get_4_00(payload: bytes, catalogue: Catalogue) -> None:
    with pytest.raises(SendError) as refused:
        parse_send(payload, 110, catalogue)
    assert refused.value.code is ResponseCode.BAD_REQUEST
