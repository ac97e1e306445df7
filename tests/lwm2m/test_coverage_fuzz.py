"""Fuzzing led by coverage: inputs that reach new lines are kept and mutated further. Run with `-m slow`."""

import random
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.attributes import parse_attributes
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.ddf import parse_definitions, validate
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.discover import parse_discover
from lwm2m_ml.lwm2m.execute_arguments import parse_arguments
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import parse_registration
from lwm2m_ml.lwm2m.shipped import shipped_files
from lwm2m_ml.lwm2m.value import ObjectLink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 20_000
SLOWEST_SECONDS = 1.0
BASE = ObjectPath(33000, 1)
RECORDS = (
    Record(BASE.child(0), "text"),
    Record(BASE.child(1), -70_000),
    Record(BASE.child(3), 1.1),
    Record(BASE.child(4), True),
    Record(BASE.child(5), bytes(range(20))),
    Record(BASE.child(6), 1_700_000_000),
    Record(BASE.child(7), ObjectLink(3, 0)),
    Record(BASE.child(301).child(1), 5),
    Record(BASE.child(301).child(300), 6),
)
TOKENS = [
    *(
        b"\x00",
        b"\xff",
        b"\x7f",
        b"\x80",
        b"\x9f",
        b"\xbf",
        b"\xc1",
        b"\xc4",
        b"\xf6",
        b"\xf9\x7e\x00",
        b"\x1b" + b"\xff" * 8,
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b'"',
        b"\\",
        b"/",
        b"<",
        b">",
        b";",
        b"=",
        b"'",
        b"null",
        b"1e999",
        b"-",
        b"0",
    ),
    *(b"bn", b"bt", b"vlo", b"/33000/1/", b"/65535", b"ver=", b"rt=", b"<!DOCTYPE a>", b"&a;", b"<Item>"),
]

Target = Callable[[bytes], object]


class Coverage:
    """Collects the lines of this project's protocol code that a call reaches."""

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if "/lwm2m_ml/lwm2m/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._trace

    def run(self, target: Target, payload: bytes) -> bool:
        """Call the target, which may raise only this project's errors; tell whether it reached something new."""
        before = len(self.lines)
        previous = sys.gettrace()
        sys.settrace(self._trace)
        try:
            target(payload)
        except Lwm2mMlError:
            pass
        finally:
            sys.settrace(previous)
        return len(self.lines) > before


def mutated(payload: bytes, others: list[bytes], chance: random.Random) -> bytes:
    changed = bytearray(payload)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        position = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if changed:
                changed[position % len(changed)] = chance.randrange(256)
            case 1 if changed:
                changed[position % len(changed)] ^= 1 << chance.randrange(8)
            case 2:
                changed[position:position] = chance.choice(TOKENS)
            case 3:
                del changed[position : position + chance.randrange(1, 9)]
            case 4:
                changed[position:position] = changed[position : position + chance.randrange(1, 40)]
            case _:
                other = chance.choice(others)
                changed[position:] = other[chance.randrange(len(other) + 1) :]
    return bytes(changed[:4096])


def fuzz(target: Target, seeds: list[bytes], seed: int) -> Coverage:
    coverage, chance, corpus = Coverage(), random.Random(seed), list(seeds)
    for payload in seeds:
        coverage.run(target, payload)
    for _ in range(ROUNDS):
        payload = mutated(chance.choice(corpus), corpus, chance)
        started = time.process_time()
        if coverage.run(target, payload):
            corpus.append(payload)
        assert time.process_time() - started < SLOWEST_SECONDS, payload[:200]
    return coverage


@pytest.mark.parametrize("content_format", [0, 40, 60, 110, 112, 11542, 11543, 11544])
def test_codecs(content_format: int, catalogue: Catalogue) -> None:
    single = content_format in {0, 40, 60}
    if single:
        seeds = [b"5", b"</3/0>;a=1", b"\x05", b"\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18", b"\xc1\x1a\x51\x82\x42\x8f"]
        bases = [record.path for record in RECORDS]
    else:
        seeds = [encode(RECORDS, content_format, BASE, catalogue), encode(RECORDS[:1], content_format, BASE, catalogue)]
        bases = [ObjectPath(), ObjectPath(33000), BASE, BASE.child(301)]

    def target(payload: bytes) -> None:
        for base in bases:
            try:
                records = decode(payload, content_format, base, catalogue)
            except Lwm2mMlError:
                continue
            assert all(base.contains(record.path) for record in records)

    fuzz(target, seeds, seed=content_format)


def test_registrations() -> None:
    def target(payload: bytes) -> None:
        query, _, links = payload.partition(b"\n")
        parse_registration(query.decode("latin-1").split("&"), links, 40)

    seeds = [
        b'ep=node&lt=60&lwm2m=1.1&b=U&Q\n</>;rt="oma.lwm2m";ct="60 112",</1/0>,</3>;ver=1.1,</3/0>',
        b"ep=n&lwm2m=1.0&b=UQS&sms=1\n</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>",
    ]
    fuzz(target, seeds, seed=1)


@pytest.mark.parametrize(
    ("target", "seeds"),
    [
        (parse_arguments, [b"0='a',1,2='b'"]),
        (parse_discover, [b"</3/0>;pmin=10;pmax=60,</3/0/7>;dim=8;gt=50;lt=42.2"]),
        (lambda payload: parse_attributes(payload.decode("latin-1").split("&")), [b"pmin=1&pmax=2&gt=1.5&lt&con=1"]),
    ],
    ids=["execute arguments", "discover", "attributes"],
)
def test_texts(target: Target, seeds: list[bytes]) -> None:
    fuzz(target, seeds, seed=2)


def test_definition_files() -> None:
    def target(content: bytes) -> None:
        validate(content)
        parse_definitions(content)

    smallest = min((content for _, content in shipped_files()), key=len)
    fuzz(target, [smallest], seed=3)
