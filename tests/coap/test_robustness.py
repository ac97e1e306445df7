"""Whatever arrives: no exception, no state that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiocoap import resource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.codec import RawMessage, encode, parse
from lwm2m_ml.coap.numbers import BAD_OPTION, BLOCK2, GET, OPTION_FORMATS, POST

if TYPE_CHECKING:
    from tests.coap.conftest import Bind

numbers_ = st.one_of(st.sampled_from(sorted(OPTION_FORMATS)), st.integers(0, 65535))
options = st.lists(st.tuples(numbers_, st.binary(max_size=12)), max_size=8).map(sorted)
codes = st.one_of(st.sampled_from([GET, POST, 5, 0x45, 0x84]), st.integers(0, 255))
messages = st.builds(
    RawMessage, st.integers(0, 3), codes, st.integers(0, 65535), st.binary(max_size=8), options, st.binary(max_size=80)
)


class Wire:
    """Takes what is sent, instead of a socket."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.bytes_out = 0
        self.last = b""

    def sendto(self, datagram: bytes, _address: Any) -> None:
        self.bytes_out += len(datagram)
        self.last = datagram

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.transport.close()


@pytest.fixture
async def endpoint(bind: Bind) -> CoapEndpoint:
    def answer(request: FastRequest) -> FastResponse:
        assert request.query is not None
        return FastResponse(0x45, b"x" * 3000, content_format=request.content_format)

    handlers = FastHandlers()
    handlers.add(GET, "", answer)
    handlers.add(POST, "", answer)
    site = resource.Site()
    return await bind(site=site, fast_handlers=handlers, settings=CoapSettings(assembly_bytes=10_000))


@pytest.fixture
def wire(endpoint: CoapEndpoint) -> Wire:
    transport: Any = endpoint._transports["coap"]
    transport._transport = Wire(transport._transport)
    taken: Wire = transport._transport
    return taken


ANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_any_bytes_are_survived(endpoint: CoapEndpoint, wire: Wire) -> None:
    transport: Any = endpoint._transports["coap"]

    @ANY
    @given(st.binary(max_size=100))
    def throw(datagram: bytes) -> None:
        transport.datagram_received(datagram, ("192.0.2.1", 1))

    throw()


async def test_any_message_is_survived_and_never_amplified(endpoint: CoapEndpoint, wire: Wire) -> None:
    transport: Any = endpoint._transports["coap"]
    factor = endpoint.settings.amplification_factor

    @ANY
    @given(messages, st.integers(1, 60000))
    def throw(message: RawMessage, port: int) -> None:
        datagram = encode(message)
        before = wire.bytes_out
        transport.datagram_received(datagram, ("192.0.2.1", port))
        assert wire.bytes_out - before <= factor * len(datagram) + 12

    throw()
    assert endpoint._responder._request_bodies is None or len(endpoint._responder._request_bodies) < 700


async def test_a_block_that_cannot_be_asked_for_is_refused(endpoint: CoapEndpoint, wire: Wire) -> None:
    transport: Any = endpoint._transports["coap"]
    reserved_size = (BLOCK2, b"\x07")
    transport.datagram_received(encode(RawMessage(0, GET, 1, b"", [reserved_size], b"")), ("192.0.2.1", 1))
    assert parse(wire.last).code == BAD_OPTION
