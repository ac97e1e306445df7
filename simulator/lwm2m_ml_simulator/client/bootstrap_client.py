"""Client-initiated bootstrap (Core TS §6.1): ask for a configuration, let it be written, or fetch it as a pack."""

import asyncio

import structlog
from aiocoap import Code, Message

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.lwm2m.codecs import decode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT
from lwm2m_ml.lwm2m.versions import Version
from lwm2m_ml_simulator.client.accounts import FACTORIES, provision, replaced
from lwm2m_ml_simulator.client.bootstrap_interface import BootstrapInterface
from lwm2m_ml_simulator.client.connection import ServerConnection
from lwm2m_ml_simulator.client.site import DeviceSite
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.objects.base import OperationRefused

_log = structlog.get_logger(__name__)
_PACK_SINCE = Version(1, 2)
_PREFERENCE_SINCE = Version(1, 1)
PATIENCE = 247.0
"""How long a bootstrap server may take (EXCHANGE_LIFETIME, §6.1.3)."""


class BootstrapClient:
    """One client's way to its accounts. What was there before comes back when a bootstrap fails."""

    def __init__(
        self,
        endpoint: str,
        tree: ObjectTree,
        catalogue: Catalogue,
        site: DeviceSite,
        *,
        version: str,
        patience: float = PATIENCE,
    ) -> None:
        self._endpoint = endpoint
        self._tree = tree
        self._catalogue = catalogue
        self._site = site
        self._version = version
        self._patience = patience
        self._log = _log.bind(endpoint=endpoint)

    async def run(self, server: ServerConnection) -> bool:
        """Bootstrap once; False when it did not come to a good end."""
        before = [instance for object_id in FACTORIES for instance in self._tree.instances(object_id)]
        try:
            if not await self._by_pack(server):
                await self._step_by_step(server)
        except (TimeoutError, Lwm2mMlError, OperationRefused) as error:
            self._log.warning("bootstrap_failed", server=server.uri.host, reason=str(error) or "it never finished")
            replaced(self._tree, before)
            return False
        self._log.info("bootstrapped", server=server.uri.host)
        return True

    async def _by_pack(self, server: ServerConnection) -> bool:
        """Bootstrap-Pack-Request (V1_2 §6.1.7.6); False when the server has none to give."""
        if Version.parse(self._version) < _PACK_SINCE:
            return False
        message = Message(code=Code.GET, uri_path=("bspack",), uri_query=(f"ep={self._endpoint}",))
        message.opt.accept = int(ContentFormat.SENML_CBOR)
        response = await server.request(message, patience=self._patience)
        if response.code is not Code.CONTENT:
            return False
        interface = self._interface()
        records = decode(response.payload, int(response.opt.content_format or 0), ROOT, self._catalogue)
        interface.delete(ROOT)
        await provision(self._tree, records)
        interface.check_accounts()
        return True

    async def _step_by_step(self, server: ServerConnection) -> None:
        query = [f"ep={self._endpoint}"]
        if Version.parse(self._version) >= _PREFERENCE_SINCE:
            query.append(f"pct={int(ContentFormat.SENML_CBOR)}")
        interface = self._interface()
        with self._site.bootstrapped_by(await server.connect(), interface):
            message = Message(code=Code.POST, uri_path=("bs",), uri_query=tuple(query))
            response = await server.request(message, patience=self._patience)
            if response.code is not Code.CHANGED:
                raise InvalidInputError(f"the bootstrap server answered {response.code}")
            async with asyncio.timeout(self._patience):
                await interface.finished.wait()

    def _interface(self) -> BootstrapInterface:
        return BootstrapInterface(self._tree, self._catalogue, version=self._version)
