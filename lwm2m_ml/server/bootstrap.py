"""The bootstrap server (OMA-TS-LightweightM2M_Core-V1_2 §6.1): Request, Delete, Write, Finish, and the pack of 1.2."""

import asyncio
import base64
from collections.abc import Callable, Sequence

import aiocoap
import structlog
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastAnswer, FastRequest, FastResponse, HandlerTable, PendingResponse
from lwm2m_ml.coap.numbers import GET, POST
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationError, parse_bootstrap_request
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.bootstrap_accounts import SECURITY, at_node, beside, bootstrap_accounts, with_key
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration, BootstrapConfigurations, by_instance
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.credentials import Credentials
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.server.errors import describe
from lwm2m_ml.server.events import BootstrapFailed, DeviceBootstrapped
from lwm2m_ml.store.bootstrap_configurations import BootstrapConfigurationRepository

REQUEST_SEGMENT = "bs"
PACK_SEGMENT = "bspack"
FORMATS = (ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_CBOR, ContentFormat.SENML_JSON)
"""To write in when the device does not tell what it prefers (`pct`): every version's devices know one of them."""
PACK_FORMATS = frozenset({ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR})
MAXIMUM_SESSIONS = 10_000
ORIGIN = "bootstrap"
"""Of the credentials that are issued here."""
UNUSED_KEYS = 3
"""Keys issued to a device that it has not used yet; it may have stored any of them before a session broke."""
REFUSALS_OF_A_FORMAT = frozenset({ResponseCode.UNSUPPORTED_CONTENT_FORMAT, ResponseCode.NOT_ACCEPTABLE})

log = structlog.get_logger(__name__)


class BootstrapRefused(InvalidInputError):
    """The device refused a step of its bootstrap."""


class BootstrapServer:
    """Hands out configurations, one session per device at a time; a new request ends the device's earlier session."""

    def __init__(
        self,
        repository: BootstrapConfigurationRepository,
        credentials: Credentials,
        vault: Vault,
        catalogue: Catalogue,
        bus: Bus,
        *,
        insecure: bool,
        timeout: float,
    ) -> None:
        self._repository = repository
        self._credentials = credentials
        self._vault = vault
        self._insecure = insecure
        self._catalogue = catalogue
        self._bus = bus
        self._timeout = timeout
        self._configurations = BootstrapConfigurations({})
        self._sessions: dict[str, asyncio.Task[None]] = {}
        self._coap: CoapEndpoint | None = None
        self.lives: Callable[[str], bool] = lambda _name: True
        """Whether a node of this name is there. Who is alone knows of no other."""

    def add_to(self, handlers: HandlerTable) -> None:
        """Answer Bootstrap-Requests through an endpoint's table."""
        handlers.add(POST, REQUEST_SEGMENT, self._request)
        handlers.add(GET, PACK_SEGMENT, self._pack)

    async def configure(self, pattern: str, configuration: BootstrapConfiguration) -> None:
        """Use a configuration for an endpoint name or a pattern such as `sensor-*`, from now on and after a restart."""
        document = configuration.to_document()
        # The values hold keys, often.
        sealed = self._vault.seal(document.pop("records").encode(), _context(pattern))
        await self._repository.put(pattern, {**document, "sealed": base64.b64encode(sealed).decode()})
        self._configurations.put(pattern, configuration)

    async def remove(self, pattern: str) -> None:
        """Forget the configuration of a name or pattern."""
        await self._repository.delete(pattern)
        self._configurations.delete(pattern)

    def configurations(self) -> tuple[tuple[str, BootstrapConfiguration], ...]:
        """Every name or pattern with its configuration."""
        return self._configurations.all()

    async def load(self) -> None:
        """Take over the configurations that are stored."""
        found: dict[str, BootstrapConfiguration] = {}
        for pattern, document in await self._repository.all():
            opened = dict(document)
            if "sealed" in document:
                sealed = base64.b64decode(document["sealed"])
                opened["records"] = self._vault.unseal(sealed, _context(pattern)).decode()
            found[pattern] = BootstrapConfiguration.from_document(opened)
        self._configurations = BootstrapConfigurations(found)

    def attach(self, coap: CoapEndpoint) -> None:
        """Speak to devices through this endpoint."""
        self._coap = coap

    async def close(self) -> None:
        """End all sessions."""
        sessions = list(self._sessions.values())
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _request(self, request: FastRequest) -> FastResponse:
        try:
            asked = parse_bootstrap_request(request.query)
            endpoint, configuration = self._configuration(asked.endpoint, request.remote)
        except RegistrationError as error:
            return self._refuse(request, error)
        if len(self._sessions) >= MAXIMUM_SESSIONS:
            return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=30)
        earlier = self._sessions.pop(endpoint, None)
        if earlier is not None:
            earlier.cancel()
        preferred = asked.preferred_content_format
        session = asyncio.get_running_loop().create_task(
            self._session(endpoint, request.remote, configuration, preferred)
        )
        self._sessions[endpoint] = session
        session.add_done_callback(lambda done: self._forget(endpoint, done))
        return FastResponse(ResponseCode.CHANGED)

    def _pack(self, request: FastRequest) -> FastAnswer:
        """Bootstrap-Pack-Request (§6.1.7.6): everything in one answer."""
        try:
            asked = parse_bootstrap_request(request.query)
            endpoint, configuration = self._configuration(asked.endpoint, request.remote)
        except RegistrationError as error:
            return self._refuse(request, error)
        content_format = ContentFormat.SENML_CBOR if request.accept is None else request.accept
        if content_format not in PACK_FORMATS:
            return FastResponse(ResponseCode.NOT_ACCEPTABLE)
        packing = self._packed(endpoint, request.remote, configuration, content_format)
        return PendingResponse.of(asyncio.get_running_loop().create_task(packing))

    async def _packed(
        self, endpoint: str, remote: Remote, configuration: BootstrapConfiguration, content_format: int
    ) -> FastResponse:
        try:
            records, _ = await self._keyed(endpoint, configuration)
        except Lwm2mMlError as error:
            log.error("bootstrap put off", endpoint=endpoint, reason=error.message)
            return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=30)
        payload = encode(records, content_format, ROOT, self._catalogue)
        log.info("bootstrap pack given", endpoint=endpoint, remote=remote.hostinfo)
        self._bus.publish(DeviceBootstrapped(endpoint))
        return FastResponse(ResponseCode.CONTENT, payload, content_format=content_format)

    def _configuration(self, named: str | None, remote: Remote) -> tuple[str, BootstrapConfiguration]:
        endpoint = named
        if endpoint is None and remote.identity is not None:
            endpoint = self._credentials.endpoint_of(remote.identity)
        if endpoint is None:
            raise RegistrationError("The endpoint name is missing", hint="Send ep=NAME")
        if remote.identity is None and not self._insecure:
            raise RegistrationError("Devices must prove who they are", code=ResponseCode.UNAUTHORIZED)
        if not self._credentials.may_speak_for(remote.identity, endpoint):
            raise RegistrationError("The endpoint must use its credentials", code=ResponseCode.FORBIDDEN)
        configuration = self._configurations.of(endpoint)
        if configuration is None:
            raise RegistrationError(f"There is no bootstrap configuration for {endpoint}")
        if configuration.issue and remote.identity is None:
            raise RegistrationError("Keys are given to proven devices only", code=ResponseCode.FORBIDDEN)
        return endpoint, configuration

    def _refuse(self, request: FastRequest, error: RegistrationError) -> FastResponse:
        log.warning("bootstrap refused", remote=request.remote.hostinfo, reason=str(error))
        return FastResponse(error.code, error.message.encode())

    def _forget(self, endpoint: str, session: asyncio.Task[None]) -> None:
        if self._sessions.get(endpoint) is session:
            del self._sessions[endpoint]

    async def _session(
        self, endpoint: str, remote: Remote, configuration: BootstrapConfiguration, preferred: int | None
    ) -> None:
        formats: Sequence[int] = (
            FORMATS if preferred is None else (preferred, *(one for one in FORMATS if one != preferred))
        )
        key, security_written = "", False
        try:
            taken = await self._discover(endpoint, remote) if configuration.discover else ()
            records, key = await self._keyed(endpoint, configuration)
            for path in configuration.delete:
                await self._step(remote, Code.DELETE, path)
            for path, some in by_instance(beside(records, taken)):
                security_written = security_written or path.object_id == SECURITY
                formats = await self._write(remote, path, some, formats)
            await self._send(remote, aiocoap.Message(code=Code.POST, uri_path=(REQUEST_SEGMENT,)), "Bootstrap-Finish")
        except Lwm2mMlError as error:
            log.warning("bootstrap failed", endpoint=endpoint, remote=remote.hostinfo, reason=error.message)
            if key and not security_written:
                await self._credentials.forget(key)
            self._bus.publish(BootstrapFailed(endpoint, error.message))
        else:
            log.info("device bootstrapped", endpoint=endpoint, remote=remote.hostinfo)
            self._bus.publish(DeviceBootstrapped(endpoint))

    async def _keyed(self, endpoint: str, configuration: BootstrapConfiguration) -> tuple[tuple[Record, ...], str]:
        """What to write, and the id of the credential that was issued for it, if one was.

        Earlier keys stay good until the device uses the new one: nobody knows which one a broken session left it with.
        """
        told = configuration.records
        node = configuration.nodes.of(endpoint, self.lives)
        if node is not None:
            log.info("device assigned", endpoint=endpoint, node=node)
            told = at_node(told, configuration.nodes.uris[node])
        if not configuration.issue:
            return told, ""
        earlier = [one for one in self._credentials.list(endpoint) if one.facts.get("origin") == ORIGIN]
        for superfluous in earlier[1:-UNUSED_KEYS]:  # the first may be the one in use
            await self._credentials.forget(superfluous.id)
        remaining = [one for one in earlier if one not in earlier[1:-UNUSED_KEYS]]
        issued = await self._credentials.replace(remaining, endpoint, CredentialKind.PSK, grace=None, origin=ORIGIN)
        secret = issued.secret
        return with_key(told, secret["identity"], bytes.fromhex(secret["key"])), issued.credential.id

    async def _discover(self, endpoint: str, remote: Remote) -> frozenset[int]:
        """Bootstrap-Discover (§6.1.7.3): the instances of object 0 that are bootstrap accounts, if the device tells."""
        message = aiocoap.Message(code=Code.GET)
        message.opt.accept = ContentFormat.LINK
        message.remote = remote
        if self._coap is None:
            raise RuntimeError("the server has not been started")
        response = await self._coap.request(message, timeout=self._timeout)
        if not response.code.is_successful():
            log.info("bootstrap discover refused", endpoint=endpoint, code=describe(int(response.code)))
            return frozenset()
        return bootstrap_accounts(response.payload)

    async def _write(
        self, remote: Remote, path: ObjectPath, records: Sequence[Record], formats: Sequence[int]
    ) -> Sequence[int]:
        """Write an instance in the first format the device takes; returns the formats it has not refused."""
        for position, content_format in enumerate(formats):
            payload = encode(records, content_format, path, self._catalogue)
            code = await self._step(remote, Code.PUT, path, payload, content_format)
            if code not in REFUSALS_OF_A_FORMAT:
                return formats[position:]
        raise BootstrapRefused(f"The device takes {path} in no format")

    async def _step(
        self,
        remote: Remote,
        code: Code,
        path: ObjectPath,
        payload: bytes = b"",
        content_format: int | None = None,
    ) -> int:
        message = aiocoap.Message(code=code, payload=payload, uri_path=tuple(map(str, path.segments)))
        message.opt.content_format = content_format
        return await self._send(remote, message, f"{code.name} {path}", tolerated=REFUSALS_OF_A_FORMAT)

    async def _send(
        self, remote: Remote, message: aiocoap.Message, step: str, *, tolerated: frozenset[ResponseCode] = frozenset()
    ) -> int:
        if self._coap is None:
            raise RuntimeError("the server has not been started")
        message.remote = remote
        response = await self._coap.request(message, timeout=self._timeout)
        if not response.code.is_successful() and int(response.code) not in tolerated:
            raise BootstrapRefused(f"{step} was answered with {describe(int(response.code))}")
        return int(response.code)


def _context(pattern: str) -> str:
    return f"bootstrap configuration of {pattern}"
