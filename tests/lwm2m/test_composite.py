import json

import pytest

from lwm2m_ml.lwm2m.codecs import CodecError, decode
from lwm2m_ml.lwm2m.composite import (
    REQUEST_FORMATS,
    CompositeError,
    covers,
    parse_read_request,
    parse_write_request,
    read_request,
    write_request,
)
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

path = ObjectPath.parse
PATHS = (path("/3/0/0"), path("/3/0/9"), path("/1"), path("/42770/0"), path("/3/0/6/1"))


@pytest.mark.parametrize("content_format", sorted(REQUEST_FORMATS))
def test_the_paths_of_a_read_reach_the_client(content_format: int) -> None:
    assert parse_read_request(read_request(PATHS, content_format), content_format) == PATHS


def test_a_read_names_whole_paths() -> None:
    assert json.loads(read_request(PATHS[:2], 320)) == [{"n": "/3/0/0"}, {"n": "/3/0/9"}]


@pytest.mark.parametrize(
    "payload",
    [
        b'[{"n":"/3/0/0"},{"n":"/3/0/9"}]',
        b'[{"bn":"/3/0/","n":"0"},{"n":"9"}]',
        b'[{"bn":"/3/0/0"},{"bn":"/3/0/9"}]',
        b'[{"n":"/3/0/0"},{"bn":"/3/0/9"}]',
    ],
)
def test_a_read_may_use_base_names(payload: bytes) -> None:
    assert parse_read_request(payload, 110) == PATHS[:2]


@pytest.mark.parametrize("paths", [(), (ROOT,), (PATHS[0], PATHS[0])])
def test_nothing_the_root_or_a_path_twice_is_refused(paths: tuple[ObjectPath, ...]) -> None:
    with pytest.raises(CompositeError):
        read_request(paths, 112)


@pytest.mark.parametrize("content_format", [0, 11542, 11544, 9])
def test_other_formats_are_refused(content_format: int) -> None:
    with pytest.raises(CompositeError, match=str(content_format)):
        read_request(PATHS, content_format)
    with pytest.raises(CompositeError, match=str(content_format)):
        parse_read_request(b"", content_format)


@pytest.mark.parametrize("content_format", sorted(REQUEST_FORMATS))
def test_the_values_of_a_write_reach_the_client(content_format: int, catalogue: Catalogue) -> None:
    records = (Record(path("/1/0/1"), 60), Record(path("/42770/0/22"), 80.5), Record(path("/19/0/0/3"), None))
    assert parse_write_request(write_request(records, content_format, catalogue), content_format, catalogue) == records


@pytest.mark.parametrize(
    "record", [Record(path("/1/0"), 1), Record(path("/1/0/1"), None), Record(path("/1/0/1"), 5, 1e9)]
)
def test_what_cannot_be_written_is_refused(record: Record, catalogue: Catalogue) -> None:
    with pytest.raises((CompositeError, CodecError)):
        write_request([record], 112, catalogue)


def test_an_answer_may_leave_out_what_cannot_be_read(catalogue: Catalogue) -> None:
    answer = decode(b'[{"n":"/3/0/0","vs":"x"}]', 110, ROOT, catalogue)
    assert covers(PATHS, answer)
    assert not covers(PATHS[1:], answer)
