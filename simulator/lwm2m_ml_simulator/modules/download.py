"""Pulls a package block by block (RFC 7959) into a slot's flash, and goes on at the block it needs after any break."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiocoap import Code, Message
from aiocoap.message import UndecidedRemote
from aiocoap.util import hostportjoin

from lwm2m_ml.coap.endpoint import DEFAULT_PORTS
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml_simulator.client.endpoint import DeviceEndpoint
from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.errors import InvalidUri, StorageFull
from lwm2m_ml_simulator.modules.fetching import DownloadFailed, DownloadProblem, FetchSettings
from lwm2m_ml_simulator.modules.http_download import SCHEMES, HttpDownload
from lwm2m_ml_simulator.modules.reception import Reception
from lwm2m_ml_simulator.modules.staging import Source

_MAXIMUM_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class PackageUri:
    """A parsed URI of a protocol that the device speaks."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...]
    query: tuple[str, ...]

    @classmethod
    def parse(cls, uri: str, schemes: Collection[str]) -> "PackageUri":
        """Parse; raises InvalidUri for what is no URI and DownloadFailed for a protocol this device does not speak."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InvalidUri(f"{uri!r} is not a URI") from error
        if not parts.scheme or not host:
            raise InvalidUri(f"{uri!r} is not the URI of a package")
        if parts.scheme not in schemes:
            raise DownloadFailed(DownloadProblem.UNSUPPORTED_PROTOCOL, f"this device does not speak {parts.scheme}")
        path = tuple(segment for segment in parts.path.split("/") if segment)
        port = port or DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, host, port, path, tuple(parts.query.split("&")) if parts.query else ())


class Download:
    """One package on its way into one slot."""

    def __init__(
        self,
        coap: DeviceEndpoint,
        reception: Reception,
        settings: FetchSettings,
        faults: FaultInjector,
    ) -> None:
        self._coap = coap
        self._reception = reception
        self._staging = reception.staging
        self._settings = settings
        self._faults = faults
        self._restarts = 0
        self._complete = False

    async def run(self, uri: str) -> None:
        """Fetch the whole package; raises DownloadFailed, or ModuleRejected when what arrives is not acceptable."""
        if self._settings.http and uri.partition(":")[0] in SCHEMES:
            await HttpDownload(self._reception, self._settings, self._faults).run(uri)
            return
        try:
            address = PackageUri.parse(uri, self._coap.schemes)
        except InvalidUri as error:
            raise DownloadFailed(DownloadProblem.INVALID_URI, error.message) from error
        if self._staging.source is None or self._staging.source.uri != uri:
            self._begin(Source(uri))
        try:
            while not self._complete:
                self._store(uri, await self._ask(address))
        except StorageFull as error:
            raise DownloadFailed(DownloadProblem.STORAGE, error.message) from error

    async def _ask(self, address: PackageUri) -> Message:
        """Ask for the next block, again when nothing is heard."""
        for attempt in range(self._settings.attempts):
            if attempt:
                await asyncio.sleep(self._settings.pause * attempt)
            request = Message(code=Code.GET, uri_path=address.path, uri_query=address.query)
            if not self._settings.windowed:
                block_number = self._reception.received // self._settings.block_bytes
                request.opt.block2 = (block_number, False, self._settings.size_exponent)
            request.remote = UndecidedRemote(address.scheme, hostportjoin(address.host, address.port))
            try:
                return await self._coap.request(request, timeout=self._settings.patience)
            except Lwm2mMlError:
                continue
        raise DownloadFailed(DownloadProblem.CONNECTION_LOST, f"{address.host}:{address.port} does not answer")

    def _store(self, uri: str, response: Message) -> None:
        if not response.code.is_successful():
            raise DownloadFailed(DownloadProblem.INVALID_URI, f"the package was answered with {response.code}")
        block, etag = response.opt.block2, response.opt.etag
        if block is None:  # All of it fitted into one message.
            self._begin(Source(uri, etag, len(response.payload)))
            self._append(response.payload[self._reception.received :])
            self._complete = self._reception.received == len(response.payload)
            return
        received = self._reception.received
        if block.start > received or self._is_another(etag):
            self._restart(uri)
            return
        if received == 0:
            self._begin(Source(uri, etag, response.opt.size2))
        # After a cut the first bytes of a block may be here already.
        self._append(response.payload[received - block.start :])
        end = block.start + len(response.payload)
        self._complete = not block.more and self._reception.received == end

    def _is_another(self, etag: bytes | None) -> bool:
        return self._reception.received > 0 and self._staging.source is not None and self._staging.source.etag != etag

    def _restart(self, uri: str) -> None:
        """The representation changed under way (RFC 7959 §2.4), or the server answered another block than asked for."""
        self._restarts += 1
        if self._restarts > _MAXIMUM_RESTARTS:
            raise DownloadFailed(DownloadProblem.CONNECTION_LOST, "the package keeps changing while it is fetched")
        self._reception.begin(Source(uri))

    def _begin(self, source: Source) -> None:
        if self._staging.source != source:
            self._reception.begin(source)

    def _append(self, data: bytes) -> None:
        self._reception.append(self._faults.arriving(self._reception.received, data))
        self._faults.block_stored()
