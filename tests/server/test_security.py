"""Devices over DTLS: bound to their credentials, torn down with them, never back to plain."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lwm2m_ml.coap import CoapEndpoint, CoapError, CoapSettings, HandshakeFailed
from lwm2m_ml.coap.dtls import NoCredentials, OwnCertificate, PreSharedKey, ServerCredential, TrustedPeer
from lwm2m_ml.coap.oscore import MemoryStates, OscoreCredential, OscoreKeyring
from lwm2m_ml.coap.tcp.tls import TlsSettings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration
from lwm2m_ml.server.credentials.credential import CredentialKind, IssuedCredential
from lwm2m_ml.server.errors import DeviceUnreachable
from lwm2m_ml.server.events import DataSent, DeviceBootstrapped, DeviceDeregistered, DeviceExcluded

OBJECTS = b'</>;rt="oma.lwm2m";ct="112 110",</1/0>,</3/0>'
MANUFACTURER = ObjectPath(3, 0, 0)
PSK = CredentialKind.PSK
KEY = "0f" * 16


class OneServer(NoCredentials):
    """Connects to every server with one credential."""

    def __init__(self, credential: ServerCredential) -> None:
        self._credential = credential

    def server(self, host: str, port: int) -> ServerCredential | None:
        return self._credential


def psk(identity: str = "me", key: str = KEY) -> ServerCredential:
    return ServerCredential(PreSharedKey(identity, bytes.fromhex(key)))


def certificate(issued: IssuedCredential, server: str) -> ServerCredential:
    key: Any = load_pem_private_key(issued.secret["private_key"].encode(), None)
    own = OwnCertificate(x509.load_pem_x509_certificate(issued.secret["certificate"].encode()), key)
    return ServerCredential(own, TrustedPeer(x509.load_pem_x509_certificate(server.encode())))


class SecureDevice:
    """A device that speaks CoAP over DTLS."""

    def __init__(self, endpoint: CoapEndpoint, address: tuple[str, int], site: Any) -> None:
        self.endpoint, self.address, self.site = endpoint, address, site
        self.location: tuple[str, ...] = ()

    async def ask(
        self, code: Code, path: Any, query: Any = (), payload: bytes = b"", content_format: int | None = None
    ) -> Message:
        message = Message(code=code, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        message.opt.content_format = content_format
        message.remote = await self.endpoint.connect("coaps", *self.address)
        return await self.endpoint.request(message, timeout=5)

    async def register(self, name: str | None = "dev") -> Code:
        query = ["lt=300", "lwm2m=1.1", "b=U", *([] if name is None else [f"ep={name}"])]
        response = await self.ask(Code.POST, ["rd"], query, OBJECTS, 40)
        self.location = tuple(response.opt.location_path)
        return response.code

    async def update(self) -> Code:
        return (await self.ask(Code.POST, self.location)).code

    async def send(self) -> Code:
        payload = b'[{"n":"/3/0/9","v":80}]'
        return (await self.ask(Code.POST, ["dp"], (), payload, 110)).code


class AnswerSite:
    """Reads are answered, writes are kept."""

    def __init__(self) -> None:
        self.written: dict[tuple[str, ...], bytes] = {}

    async def render_to_pipe(self, pipe: Any) -> None:
        if pipe.request.code is not Code.GET:
            self.written[tuple(pipe.request.opt.uri_path)] = pipe.request.payload
            pipe.add_response(Message(code=Code.CHANGED), is_last=True)
            return
        response = Message(code=Code.CONTENT, payload=b"ACME")
        response.opt.content_format = 0
        pipe.add_response(response, is_last=True)


Secure = Callable[..., Awaitable[SecureDevice]]


@pytest.fixture
async def secure(running: Any) -> AsyncIterator[Secure]:
    async with AsyncExitStack() as stack:

        async def start(credential: ServerCredential | None = None, server: Any = None) -> SecureDevice:
            quick = CoapSettings(ack_timeout=0.2, minimum_timeout=0.1, max_retransmit=1, handshake_timeout=2.0)
            endpoint = CoapEndpoint(site=AnswerSite(), settings=quick)
            stack.push_async_callback(endpoint.close)
            await endpoint.listen_dtls("127.0.0.1", 0, OneServer(credential or psk()))
            return SecureDevice(endpoint, (server or running.server)._addresses["coaps"], endpoint.site)

        yield start


@pytest.fixture
async def credential(running: Any) -> str:
    """The id of the credential of "dev"."""
    issued = await running.server.credentials.add("dev", PSK, identity="me", key=KEY)
    return str(issued.credential.id)


@pytest.mark.usefixtures("credential")
@pytest.mark.parametrize("name", ["dev", None])
async def test_a_device_registers_with_its_key(running: Any, secure: Secure, name: str | None) -> None:
    device = await secure()
    assert await device.register(name) is Code.CREATED
    registration = running.server.registry.get("dev")
    assert (registration.endpoint, registration.identity) == ("dev", "psk:me")
    (record,) = await running.server.devices.read("dev", MANUFACTURER)
    assert record.value == "ACME"
    assert await device.update() is Code.CHANGED
    assert await device.send() is Code.CHANGED
    assert len(await running.events.wait(DataSent)) == 1


async def test_a_device_registers_with_its_certificate(running: Any, secure: Secure) -> None:
    issued = await running.server.credentials.add("dev", CredentialKind.CERTIFICATE)
    device = await secure(certificate(issued, running.server.certificate))
    assert await device.register(None) is Code.CREATED
    assert running.server.registry.get("dev").identity == issued.credential.name


@pytest.mark.usefixtures("credential")
async def test_a_device_may_not_take_another_name(running: Any, secure: Secure) -> None:
    assert await (await secure()).register("other") is Code.FORBIDDEN
    assert len(running.server.registry) == 0


@pytest.mark.usefixtures("credential")
@pytest.mark.parametrize("wrong", [psk("you"), psk("me", "00" * 16)])
async def test_a_wrong_identity_or_key_gets_no_session(secure: Secure, wrong: ServerCredential) -> None:
    with pytest.raises(HandshakeFailed):
        await (await secure(wrong)).register()


@pytest.mark.usefixtures("credential")
async def test_a_device_with_credentials_may_not_come_in_plain(running: Any, device: Any) -> None:
    assert (await device.register("dev")).code is Code.FORBIDDEN
    assert (await device.register("other")).code is Code.CREATED


@pytest.mark.usefixtures("credential")
async def test_a_plain_peer_cannot_go_on_with_a_secure_registration(running: Any, secure: Secure, device: Any) -> None:
    secured = await secure()
    await secured.register()
    device.location = secured.location
    assert (await device.update()).code is Code.NOT_FOUND
    assert (await device.deregister()).code is Code.NOT_FOUND
    assert running.server.registry.get("dev").identity == "psk:me"


async def test_a_device_that_came_in_plain_is_excluded_when_it_gets_a_credential(running: Any, device: Any) -> None:
    await device.register("dev")
    await running.server.credentials.add("dev", PSK)
    assert len(await running.events.wait(DeviceExcluded)) == 1
    assert (await device.update()).code is Code.NOT_FOUND
    assert (await device.register("dev")).code is Code.FORBIDDEN


@pytest.mark.parametrize("operation", ["revoke", "forget"])
async def test_a_credential_that_ends_takes_session_and_registration_along(
    running: Any, secure: Secure, credential: str, operation: str
) -> None:
    device = await secure()
    await device.register()
    await getattr(running.server.credentials, operation)(credential)
    assert running.server.registry.find("dev") is None
    assert [event.endpoint for event in await running.events.wait(DeviceDeregistered)] == ["dev"]
    await running.store.writer.flush()
    assert await running.store.registrations.all() == ()
    with pytest.raises(CoapError):  # the end of the session may arrive first, or the refusal of the next one
        await device.register()
    with pytest.raises(HandshakeFailed):
        await (await secure()).register()


async def test_a_rotated_key_takes_over_with_the_next_update(running: Any, secure: Secure, credential: str) -> None:
    device = await secure()
    await device.register()
    issued = await running.server.credentials.rotate(credential, grace=3600)
    assert await device.update() is Code.CHANGED
    renewed = await secure(psk(issued.secret["identity"], issued.secret["key"]))
    renewed.location = device.location
    assert await renewed.update() is Code.CHANGED
    registration = running.server.registry.get("dev")
    assert registration.identity == issued.credential.name
    assert registration.address == renewed.endpoint.local_address
    assert [one.id for one in running.server.credentials.list("dev")] == [issued.credential.id]
    assert await renewed.update() is Code.CHANGED
    assert (await running.server.devices.read("dev", MANUFACTURER))[0].value == "ACME"
    assert running.events.of(DeviceDeregistered) == []


@pytest.mark.usefixtures("credential")
async def test_a_send_from_a_new_session_is_known_by_its_identity(running: Any, secure: Secure) -> None:
    await (await secure()).register()
    moved = await secure()
    assert await moved.send() is Code.CHANGED
    assert running.server.registry.get("dev").address == moved.endpoint.local_address
    assert (await running.server.devices.read("dev", MANUFACTURER))[0].value == "ACME"


@pytest.mark.usefixtures("credential")
async def test_after_a_restart_a_device_is_known_but_absent_until_it_is_heard(
    running: Any, secure: Secure, start_server: Any
) -> None:
    device = await secure()
    await device.register()
    await running.server.stop()
    await running.store.close()
    again = await start_server()
    with pytest.raises(DeviceUnreachable, match="no session"):
        await again.server.devices.read("dev", MANUFACTURER)
    back = await secure(server=again.server)
    back.location = device.location
    assert await back.update() is Code.CHANGED
    assert (await again.server.devices.read("dev", MANUFACTURER))[0].value == "ACME"


async def test_what_was_revoked_while_the_server_was_down_stays_out(
    running: Any, secure: Secure, credential: str, start_server: Any
) -> None:
    await (await secure()).register()
    await running.server.stop()
    await running.store.credentials.delete(credential)
    await running.store.close()
    again = await start_server()
    assert again.server.registry.find("dev") is None
    assert len(await again.events.wait(DeviceExcluded)) == 1


@pytest.mark.usefixtures("credential")
async def test_a_secure_device_downloads_over_its_session(running: Any, secure: Secure) -> None:
    device = await secure()
    await device.register()
    download = running.server.downloads.publish(b"content" * 400, endpoint="dev")
    assert download.uri.startswith(f"coaps://127.0.0.1:{device.address[1]}/")
    response = await device.ask(Code.GET, download.uri.split("/")[3:])
    assert response.payload == b"content" * 400


async def test_without_consent_there_is_no_plain_port(start_server: Any, settings: Any) -> None:
    settings.insecure = False
    running = await start_server()
    assert list(running.server.uris) == ["coaps"]


async def test_a_server_that_nobody_can_reach_is_not_started(start_server: Any, settings: Any) -> None:
    settings.insecure = settings.coaps = settings.oscore = False
    with pytest.raises(UsageError, match="No device can come in"):
        await start_server()


# Bootstrap

ACCOUNT = BootstrapConfiguration(
    (
        Record(ObjectPath(0, 1, 0), "coaps://127.0.0.1"),
        Record(ObjectPath(0, 1, 10), 101),
        Record(ObjectPath(1, 0, 1), 60),
    ),
    issue=True,
)


def key_in(senml: bytes) -> ServerCredential:
    entries = {entry.get(0, ""): entry for entry in cbor2.loads(senml)}
    base = next(entry[-2] for entry in entries.values() if -2 in entry)
    assert base.startswith("/0/1")
    found = {name.rpartition("/")[2]: entry for name, entry in entries.items()}
    assert found["2"][2] == 0
    return ServerCredential(PreSharedKey(found["3"][8].decode(), found["5"][8]))


@pytest.mark.usefixtures("credential")
async def test_bootstrap_hands_out_a_key_and_rotates_it(running: Any, secure: Secure) -> None:
    await running.server.bootstrap.configure("dev", ACCOUNT)
    keys = []
    for number in (1, 2, 3):
        factory = await secure()
        assert (await factory.ask(Code.POST, ["bs"], ["ep=dev", "pct=112"])).code is Code.CHANGED
        await running.events.wait(DeviceBootstrapped, number)
        keys.append(key_in(factory.site.written["0", "1"]))
        device = await secure(keys[-1])
        assert await device.register(None) is Code.CREATED
        # The factory's key stays, the last rotated one ends with the first use of the new one.
        assert len(running.server.credentials.list("dev")) == 2
    with pytest.raises(HandshakeFailed):
        await (await secure(keys[0])).register(None)


@pytest.mark.usefixtures("credential")
async def test_keys_that_never_arrive_do_not_pile_up(running: Any, secure: Secure) -> None:
    await running.server.bootstrap.configure("dev", ACCOUNT)
    factory = await secure()
    for number in range(1, 12):
        await factory.ask(Code.POST, ["bs"], ["ep=dev"])
        await running.events.wait(DeviceBootstrapped, number)
    assert len(running.server.credentials.list("dev")) <= 6
    assert await factory.register() is Code.CREATED


@pytest.mark.usefixtures("credential")
async def test_the_pack_has_a_key_of_its_own(running: Any, secure: Secure) -> None:
    await running.server.bootstrap.configure("dev", ACCOUNT)
    response = await (await secure()).ask(Code.GET, ["bspack"], ["ep=dev"])
    assert response.code is Code.CONTENT
    assert any(entry.get(8) for entry in cbor2.loads(response.payload))
    assert len(running.server.credentials.list("dev")) == 2


# OSCORE


def ours(issued: IssuedCredential) -> OscoreCredential:
    """The device's side of a context."""
    secret = {name: bytes.fromhex(value) for name, value in issued.secret.items()}
    return OscoreCredential(
        "server",
        secret["master_secret"],
        secret["sender_id"],
        secret["recipient_id"],
        secret.get("id_context"),
        secret["master_salt"],
    )


class OscoreDevice(SecureDevice):
    async def ask(
        self, code: Code, path: Any, query: Any = (), payload: bytes = b"", content_format: int | None = None
    ) -> Message:
        message = Message(code=code, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        message.opt.content_format = content_format
        message.remote = await self.endpoint.connect("coap", *self.address)
        return await self.endpoint.request(message, timeout=5)


@pytest.fixture
async def protected(settings: Any, start_server: Any) -> AsyncIterator[Any]:
    """A server with OSCORE and without plain CoAP, and a device with a context."""
    settings.insecure, settings.oscore = False, True
    running = await start_server()
    issued = await running.server.credentials.add("dev", CredentialKind.OSCORE)
    keyring = OscoreKeyring()
    address = running.server._addresses["coap"]
    keyring.add(ours(issued), server=address)
    async with await CoapEndpoint.bind("127.0.0.1", 0, site=AnswerSite()) as endpoint:
        endpoint.use_oscore(keyring, MemoryStates())
        yield running, OscoreDevice(endpoint, address, endpoint.site), issued


async def test_a_device_registers_with_its_oscore_context(protected: Any) -> None:
    running, device, issued = protected
    assert await device.register(None) is Code.CREATED
    assert running.server.registry.get("dev").identity == issued.credential.name
    (record,) = await running.server.devices.read("dev", MANUFACTURER)
    assert record.value == "ACME"
    assert await device.send() is Code.CHANGED
    await running.server.credentials.revoke(issued.credential.id)
    assert running.server.registry.find("dev") is None


async def test_unprotected_requests_on_that_port_are_refused(protected: Any, start_device: Any) -> None:
    running, _, _ = protected
    stranger = await start_device(running.server)
    assert (await stranger.register("other")).code is Code.UNAUTHORIZED
    assert (await stranger.ask(Code.POST, ["bs"], ["ep=other"])).code is Code.UNAUTHORIZED
    assert (await stranger.ask(Code.POST, ["dp"], (), b"[]", 110)).code is Code.NOT_FOUND


async def test_an_oscore_device_is_reached_again_after_a_restart(
    protected: Any, start_server: Any, settings: Any
) -> None:
    running, device, _ = protected
    await device.register()
    port = running.server.coap_address[1]
    await running.server.stop()
    await running.store.close()
    settings.coaps_port = 0
    again = await start_server(port=port)
    assert (await again.server.devices.read("dev", MANUFACTURER))[0].value == "ACME"
    assert await device.update() is Code.CHANGED


# TLS


@pytest.mark.parametrize("known", ["before the start", "later"])
async def test_a_device_registers_over_tls_with_its_certificate(
    start_server: Any, settings: Any, running: Any, known: str
) -> None:
    early = await running.server.credentials.add("dev", CredentialKind.CERTIFICATE)
    await running.server.stop()
    await running.store.close()
    settings.insecure, settings.coaps, settings.coaps_tcp_port = False, False, 0
    again = await start_server()
    late = await again.server.credentials.add("dev", CredentialKind.CERTIFICATE)
    address = again.server._addresses["coaps+tcp"]
    own = certificate(early if known == "before the start" else late, again.server.certificate)
    async with CoapEndpoint(site=AnswerSite()) as endpoint:
        await endpoint.listen_tls("127.0.0.1", 0, TlsSettings.of(OneServer(own), own.secret))  # type: ignore[arg-type]
        device = TlsDevice(endpoint, address, endpoint.site)
        assert await device.register() is Code.CREATED
        assert again.server.registry.get("dev").remote.scheme == "coaps+tcp"
        assert (await again.server.devices.read("dev", MANUFACTURER))[0].value == "ACME"


class TlsDevice(SecureDevice):
    async def ask(
        self, code: Code, path: Any, query: Any = (), payload: bytes = b"", content_format: int | None = None
    ) -> Message:
        message = Message(code=code, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        message.opt.content_format = content_format
        message.remote = await self.endpoint.connect("coaps+tcp", *self.address)
        return await self.endpoint.request(message, timeout=5)
