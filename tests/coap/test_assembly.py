"""Request bodies in blocks, and what bounds them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.assembly import RequestBodies
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.options import Block
from lwm2m_ml.coap.responses import Response
from lwm2m_ml.coap.settings import CoapSettings

PATH = [(numbers.URI_PATH, b"rd")]


def request(remote: Any, payload: bytes, *options: tuple[int, bytes]) -> FastRequest:
    return FastRequest(remote, numbers.POST, [*PATH, *options], payload)


def feed(bodies: RequestBodies, number: int, payload: bytes, more: bool = True, now: float = 0.0, **of: Any) -> Any:
    message = request(of.get("remote", "peer"), payload, *of.get("options", ()))
    return bodies.feed(message, Block(number, more, 0), now)


def code(answer: Any) -> int:
    assert isinstance(answer, Response)
    return answer.code


@given(st.binary(min_size=1, max_size=400))
def test_blocks_become_the_body(body: bytes) -> None:
    bodies = RequestBodies(CoapSettings())
    chunks = [body[start : start + 16] for start in range(0, len(body), 16)]
    for number, chunk in enumerate(chunks[:-1]):
        assert code(feed(bodies, number, chunk)) == numbers.CONTINUE
    assert feed(bodies, len(chunks) - 1, chunks[-1], more=False) == body
    assert len(bodies) == 0


def test_a_missing_block_is_incomplete_and_ends_the_assembly() -> None:
    bodies = RequestBodies(CoapSettings())
    feed(bodies, 0, bytes(16))
    assert code(feed(bodies, 2, bytes(16))) == numbers.REQUEST_ENTITY_INCOMPLETE
    assert code(feed(bodies, 1, bytes(16))) == numbers.REQUEST_ENTITY_INCOMPLETE
    assert len(bodies) == 0


def test_block_zero_begins_again() -> None:
    bodies = RequestBodies(CoapSettings())
    feed(bodies, 0, b"a" * 16)
    feed(bodies, 0, b"b" * 16)
    assert feed(bodies, 1, b"c", more=False) == b"b" * 16 + b"c"


def test_a_short_block_that_is_not_the_last_is_a_bad_request() -> None:
    assert code(feed(RequestBodies(CoapSettings()), 0, b"short")) == numbers.BAD_REQUEST


def test_peers_and_request_tags_do_not_mix() -> None:
    bodies = RequestBodies(CoapSettings())
    feed(bodies, 0, b"a" * 16, remote="one")
    feed(bodies, 0, b"b" * 16, remote="two")
    feed(bodies, 0, b"c" * 16, remote="one", options=[(numbers.REQUEST_TAG, b"t")])
    assert feed(bodies, 1, b"", more=False, remote="one") == b"a" * 16
    assert feed(bodies, 1, b"", more=False, remote="two") == b"b" * 16
    assert feed(bodies, 1, b"", more=False, remote="one", options=[(numbers.REQUEST_TAG, b"t")]) == b"c" * 16


@pytest.mark.parametrize("size", [b"\x40", b""])
def test_a_body_beyond_the_limit_is_refused_as_soon_as_it_is_known(size: bytes) -> None:
    bodies = RequestBodies(CoapSettings(maximum_request_body=40))
    if size:
        assert code(feed(bodies, 0, bytes(16), options=[(numbers.SIZE1, size)])) == numbers.REQUEST_ENTITY_TOO_LARGE
        return
    feed(bodies, 0, bytes(16))
    feed(bodies, 1, bytes(16))
    assert code(feed(bodies, 2, bytes(16))) == numbers.REQUEST_ENTITY_TOO_LARGE
    assert len(bodies) == 0


def test_a_peer_has_few_bodies_under_assembly() -> None:
    bodies = RequestBodies(CoapSettings(assemblies_per_remote=2))
    for tag in range(5):
        feed(bodies, 0, bytes(16), options=[(numbers.REQUEST_TAG, bytes([tag]))])
    assert len(bodies) == 2


def test_bodies_under_assembly_are_bounded_together() -> None:
    bodies = RequestBodies(CoapSettings(assembly_bytes=160))
    for peer in range(50):
        feed(bodies, 0, bytes(16), remote=peer)
    assert len(bodies) <= 11


def test_an_abandoned_body_is_forgotten() -> None:
    bodies = RequestBodies(CoapSettings(assembly_lifetime=10))
    feed(bodies, 0, bytes(16), remote="gone", now=0.0)
    feed(bodies, 0, bytes(16), remote="here", now=11.0)
    assert len(bodies) == 1
