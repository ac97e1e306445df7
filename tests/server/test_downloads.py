"""Downloads: any block, from any port, for whoever knows the address."""

from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import aiocoap
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.optiontypes import BlockOption
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.bert import serve_blocks
from lwm2m_ml.coap.blocks import serve_block
from lwm2m_ml.coap.codec import parse_options
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.numbers import BAD_REQUEST, CONTENT_FORMAT, ETAG
from lwm2m_ml.coap.numbers import CONTENT as CONTENT_CODE
from lwm2m_ml.coap.options import BERT, Block, encode_uint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.server.downloads import Download, Downloads, Route

CONTENT = bytes(range(256)) * 37 + b"end"


def path_of(uri: str) -> list[str]:
    return urlsplit(uri).path.strip("/").split("/")


async def get(device: Any, uri: str, number: int | None = None, exponent: int = 5, **options: Any) -> aiocoap.Message:
    block = {} if number is None else {"block2": BlockOption.BlockwiseTuple(number, False, exponent)}
    return await device.ask(Code.GET, path_of(uri), **block, **options)


async def test_a_download_arrives_whole(running: Any, device: Any) -> None:
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    assert urlsplit(download.uri).port == running.server.coap_address[1]
    assert not download.finished
    response = await get(device, download.uri)
    assert response.payload == CONTENT
    assert download.finished
    assert download.blocks_served == -(-len(CONTENT) // 1024)
    assert download.bytes_served > len(CONTENT)
    assert download.last_served_at is not None


async def test_a_transfer_goes_on_from_another_port_at_the_block_it_needs(
    running: Any, device: Any, start_device: Any
) -> None:
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    first = [await get(device, download.uri, number) for number in range(8)]
    rebooted = await start_device()
    rest = [await get(rebooted, download.uri, number) for number in range(8, -(-len(CONTENT) // 512))]
    assert b"".join(one.payload for one in [*first, *rest]) == CONTENT
    assert {one.opt.etag for one in [*first, *rest]} == {download.etag}
    assert [one.opt.block2.more for one in rest] == [True] * (len(rest) - 1) + [False]
    assert download.finished


@given(st.binary(min_size=17, max_size=3000), st.integers(0, 200), st.integers(0, 6))
def test_blocks_are_encoded_as_the_endpoint_encodes_them(content: bytes, number: int, exponent: int) -> None:
    """The general way to cut a body into blocks is the oracle."""
    download = Download("dev", content, "coap://h/packages/t", "t", 0.0, b"12345678")
    served = download.serve(Block(number, False, exponent))
    code, tail = served if isinstance(served, tuple) else (served.code, served.tail())
    options = [(ETAG, b"12345678"), (CONTENT_FORMAT, encode_uint(42))]
    cut = serve_block(CONTENT_CODE, options, content, Block(number, False, exponent), 6)
    if number << exponent + 4 >= len(content):
        assert (code, cut.code) == (BAD_REQUEST, BAD_REQUEST)
    else:
        assert code == cut.code
        assert parse_options(tail, 0) == parse_options(cut.tail(), 0)


@given(
    st.binary(min_size=1, max_size=6000),
    st.none() | st.integers(0, 6).map(lambda number: Block(number, False, BERT)),
    st.integers(1, 4),
)
def test_several_blocks_are_encoded_as_the_endpoint_encodes_them(
    content: bytes, asked: Block | None, units: int
) -> None:
    served = Download("dev", content, "coap://h/packages/t", "t", 0.0, b"12345678").serve_several(asked, units * 1024)
    options = [(ETAG, b"12345678"), (CONTENT_FORMAT, encode_uint(42))]
    cut = serve_blocks(CONTENT_CODE, options, content, asked, units * 1024)
    assert (served.code, served.payload) == (
        (cut.code, cut.payload) if cut.code == CONTENT_CODE else (BAD_REQUEST, b"there is no such block")
    )
    if cut.code == CONTENT_CODE and (asked is not None or len(content) > units * 1024):
        assert parse_options(served.tail(), 0) == parse_options(cut.tail(), 0)


async def test_over_tcp_a_download_takes_few_messages(running: Any) -> None:
    handlers = FastHandlers()
    running.server.downloads.add_to(handlers)
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    small = CoapSettings(maximum_message=4096 + 128)
    async with CoapEndpoint(fast_handlers=handlers) as server, CoapEndpoint(settings=small) as device:
        address = await server.listen_tcp("127.0.0.1", 0)
        await device.listen_tcp("127.0.0.1", 0)
        message = aiocoap.Message(code=Code.GET, uri_path=path_of(download.uri))
        message.remote = await device.connect("coap+tcp", *address)
        response = await device.request(message)
    assert response.payload == CONTENT
    assert (download.finished, download.blocks_served) == (True, -(-len(CONTENT) // 4096))


async def test_it_is_finished_only_when_no_block_is_missing(running: Any, device: Any) -> None:
    download = running.server.downloads.publish(CONTENT[:2048], endpoint="dev")
    for number in (3, 1, 3, 0):
        await get(device, download.uri, number)
    assert not download.finished
    await get(device, download.uri, 2)
    assert download.finished
    assert download.blocks_served == 5


async def test_a_block_beyond_the_end_is_refused(running: Any, device: Any) -> None:
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    assert (await get(device, download.uri, 1000)).code is Code.BAD_REQUEST


async def test_equal_content_has_an_equal_etag_and_one_address_for_each_device(running: Any) -> None:
    publish = running.server.downloads.publish
    first, again, another = [publish(CONTENT, endpoint=endpoint) for endpoint in ("dev", "dev", "other")]
    changed = publish(CONTENT + b"!", endpoint="dev")
    assert first.etag == another.etag != changed.etag
    assert first.uri == again.uri
    assert len({first.uri, another.uri, changed.uri}) == 3


async def test_an_offer_is_on_disk_before_anybody_can_be_told(running: Any) -> None:
    await running.store.artefacts.put(CONTENT)
    offer = await running.server.downloads.offer(CONTENT, endpoint="dev")
    (record,) = await running.store.download_offers.all()
    assert (record.token, record.uri, record.content) == (offer.token, offer.uri, CONTENT)


async def test_devices_that_fetch_the_same_share_one_copy(running: Any) -> None:
    publish = running.server.downloads.publish
    one, other = publish(CONTENT, endpoint="dev"), publish(bytes(bytearray(CONTENT)), endpoint="other")
    assert one.content is other.content


async def test_an_address_is_good_after_a_restart_until_it_expires_or_is_withdrawn(running: Any) -> None:
    def downloads() -> Downloads:
        return Downloads(
            lambda endpoint: Route("coap", "127.0.0.1", 5683, str), running.store.download_offers, lifetime=60
        )

    await running.store.artefacts.put(CONTENT)
    before = downloads()
    lasting, expired, withdrawn = [
        before.publish(CONTENT, endpoint=name, lifetime=lifetime)
        for name, lifetime in (("dev", 60.0), ("old", 0.0), ("gone", 60.0))
    ]
    before.withdraw(withdrawn.token)
    await running.store.writer.flush()
    after = downloads()
    await after.load()
    assert after.get(lasting.token).content == CONTENT
    assert after.publish(CONTENT, endpoint="dev").uri == lasting.uri
    for token in (expired.token, withdrawn.token):
        with pytest.raises(NotFoundError):
            after.get(token)


async def test_what_is_not_there_or_not_any_more_is_4_04(running: Any, device: Any) -> None:
    downloads = running.server.downloads
    withdrawn = downloads.publish(CONTENT, endpoint="dev")
    downloads.withdraw(withdrawn.token)
    downloads.withdraw(withdrawn.token)
    expired = downloads.publish(CONTENT, endpoint="dev", lifetime=0.0)
    for uri in (withdrawn.uri, expired.uri, withdrawn.uri[:-1], "coap://h/packages"):
        assert (await get(device, uri)).code is Code.NOT_FOUND
    with pytest.raises(NotFoundError):
        downloads.get(withdrawn.token)


async def test_a_device_that_has_it_already_is_told_so(running: Any, device: Any) -> None:
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    response = await get(device, download.uri, etags=[download.etag])
    assert response.code is Code.VALID
    assert download.blocks_served == 0


async def test_empty_content_is_served(running: Any, device: Any) -> None:
    download = running.server.downloads.publish(b"", endpoint="dev")
    assert (await get(device, download.uri)).payload == b""


async def test_a_device_that_asks_for_windows_gets_them(running: Any) -> None:
    settings = CoapSettings(q_block_requests=True, ack_timeout=0.2, minimum_timeout=0.1)
    download = running.server.downloads.publish(CONTENT, endpoint="dev")
    async with AsyncExitStack() as stack:
        endpoint = await CoapEndpoint.bind("127.0.0.1", 0, settings=settings)
        stack.push_async_callback(endpoint.close)
        message = aiocoap.Message(code=Code.GET, uri_path=path_of(download.uri))
        message.remote = endpoint.remote(*running.server.coap_address)
        response = await endpoint.request(message, timeout=5)
        assert message.remote.knows_q_block
    assert response.payload == CONTENT
    assert download.finished
    assert download.bytes_served > len(CONTENT)
