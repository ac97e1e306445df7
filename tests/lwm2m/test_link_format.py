import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.link_format import Link, LinkFormatError, format_links, parse_links

NAMES = st.text("abcxyz", min_size=1, max_size=5)
VALUES = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
LINKS = st.lists(st.builds(Link, st.just("/3/0"), st.dictionaries(NAMES, VALUES, max_size=4)), max_size=5)


@given(LINKS)
def test_links_read_back(links: list[Link]) -> None:
    assert list(parse_links(format_links(links))) == links


def test_quoted_bare_and_missing_values() -> None:
    (link,) = parse_links(b'</>;rt="oma.lwm2m";ct="60 110";x=1;obs')
    assert link.attributes == {"rt": "oma.lwm2m", "ct": "60 110", "x": "1", "obs": None}


def test_commas_and_semicolons_in_quotes_do_not_separate() -> None:
    assert parse_links(b'</a>;t="1,2;\\"3",</b>') == (Link("/a", {"t": '1,2;"3'}), Link("/b"))


@pytest.mark.parametrize("payload", [b"</3>, </5>", b"</3>,\n</5>,", b" </3> , </5> "])
def test_spaces_and_a_last_comma_are_tolerated(payload: bytes) -> None:
    assert [link.target for link in parse_links(payload)] == ["/3", "/5"]


@pytest.mark.parametrize("payload", [b"</3", b"/3", b"</3>x", b"</3>;", b'</3>;a="', b"</3>,,</5>", b"\xff", b"<</3>>"])
def test_malformed_lists_are_refused(payload: bytes) -> None:
    with pytest.raises(LinkFormatError):
        parse_links(payload)


@given(st.text('<>;,="\\ab ', max_size=60))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(LinkFormatError):
        parse_links(text.encode())


@pytest.mark.parametrize(
    "payload",
    [
        b"</3/0>," * 20_000,
        b"</3/0>" + b";a" * 30_000,
        b"</3/0>" + b" " * 60_000 + b"x",
        b'</3/0>;a="' + b"\\" * 60_000,
        b"<" * 60_000,
        b" " * 300_000,
    ],
)
def test_huge_lists_are_refused_quickly(payload: bytes) -> None:
    started = time.process_time()
    with pytest.raises(LinkFormatError):
        parse_links(payload)
    assert time.process_time() - started < 1


def test_64_kilobytes_of_links_are_read_quickly() -> None:
    started = time.process_time()
    assert len(parse_links(b",".join(b"</%d/0>" % number for number in range(6_000)))) == 6_000
    assert time.process_time() - started < 1


def test_a_target_with_brackets_cannot_be_written() -> None:
    with pytest.raises(LinkFormatError):
        format_links([Link("/a>b")])
