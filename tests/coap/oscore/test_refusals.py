"""What is not protected as it has to be is refused."""

import asyncio

import aiocoap
import pytest

from lwm2m_ml.coap import CoapEndpoint, NetworkError
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import CON, MAX_AGE, OSCORE, POST
from lwm2m_ml.coap.oscore import OscoreCredential, OscoreKeyring
from lwm2m_ml.coap.oscore.errors import ProtectionRefused
from tests.coap.conftest import RawPeer
from tests.coap.oscore.parties import DEVICE, SECRET, Listen, message, reaching


async def test_an_unknown_context_is_refused(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    stranger = OscoreCredential("server", SECRET, sender_id=b"d2", recipient_id=b"server")
    device = await listen(reaching(server, stranger))
    with pytest.raises(ProtectionRefused, match="context not found"):
        await device.request(message(aiocoap.GET, server, "who"))


async def test_a_wrong_secret_is_refused(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    wrong = OscoreCredential("server", SECRET[::-1], sender_id=b"d1", recipient_id=b"server")
    device = await listen(reaching(server, wrong))
    with pytest.raises(ProtectionRefused, match="Decryption failed"):
        await device.request(message(aiocoap.GET, server, "who"))


async def test_an_endpoint_without_contexts_does_not_understand_the_option(
    listen: Listen, known: OscoreKeyring
) -> None:
    async with await CoapEndpoint.bind("127.0.0.1", 0) as plain:
        device = await listen(reaching(plain))
        with pytest.raises(ProtectionRefused, match="not supported"):
            await device.request(message(aiocoap.GET, plain, "who"))


async def test_a_replayed_request_is_refused(listen: Listen, known: OscoreKeyring, peer: RawPeer) -> None:
    server = await listen(known)
    device = await listen(reaching(peer.address))
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    assert (await peer.ask(server.local_address, request)).code == aiocoap.CHANGED
    request.message_id ^= 1
    refused = await peer.ask(server.local_address, request)
    assert (refused.code, refused.options) == (aiocoap.UNAUTHORIZED, [(MAX_AGE, b"")])
    assert refused.payload == b"Replay detected"
    asking.cancel()


@pytest.mark.parametrize("option", [b"", b"\x09\x00", b"\xff", b"\x19\x00\x09"])
async def test_an_unreadable_option_is_answered_bad_option(
    listen: Listen, known: OscoreKeyring, peer: RawPeer, option: bytes
) -> None:
    server = await listen(known)
    answer = await peer.ask(server.local_address, RawMessage(CON, POST, 1, b"t", [(OSCORE, option)], b"x" * 20))
    assert answer.code in {aiocoap.BAD_OPTION, aiocoap.UNAUTHORIZED}


async def test_an_unprotected_response_is_no_answer(listen: Listen, peer: RawPeer) -> None:
    device = await listen(reaching(peer.address), response_timeout=0.05)
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, address = await peer.receive_from()
    await peer.send(address, RawMessage(2, 0x45, request.message_id, request.token, [], b"forged"))
    with pytest.raises(NetworkError):
        await asking


async def test_a_revoked_credential_ends_the_context(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    known.remove(DEVICE)
    server.drop_identity("device-1")
    with pytest.raises(ProtectionRefused):
        await device.request(message(aiocoap.GET, server, "who"))
