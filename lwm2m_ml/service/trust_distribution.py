"""Brings the published trust list to devices: to each that tells an older version, and to all when it changes."""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.key_store import KeyStore
from lwm2m_ml.module.trust_list import TrustList
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.resources import CapabilityResource

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How often it is seen whether somebody has published another list, with `lwm2m-ml keys`."""


class TrustDistribution:
    """Knows the published list, and which devices would not take it."""

    def __init__(self, access: DeviceAccess, keys: KeyStore, capabilities_object: int) -> None:
        self._access = access
        self._keys = keys
        self._object = capabilities_object
        self._document = b""
        self._list: TrustList | None = None
        self._refused: set[tuple[str, bytes]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self, refresh: Callable[[str], Awaitable[object]], endpoints: Callable[[], Iterable[str]]) -> None:
        """Look for new lists from now on; `refresh` reads a device anew, `endpoints` names those that are there."""
        self._look()
        self._task = asyncio.create_task(self._follow(refresh, endpoints))

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def bring_up_to_date(self, endpoint: str, runtime: MlRuntime) -> bool:
        """Write the list to a device that needs it; tells whether the device took it."""
        self._look()
        digest = hashlib.sha256(self._document).digest()
        if self._list is None or (endpoint, digest) in self._refused or not self._is_needed(self._list, runtime):
            return False
        path = ObjectPath(self._object, runtime.instance, int(CapabilityResource.TRUST_LIST))
        try:
            await self._access.write(endpoint, path, self._document)
        except DeviceError as error:
            self._refused.add((endpoint, digest))
            log.warning("trust list refused", endpoint=endpoint, version=self._list.version, reason=error.message)
            return False
        log.info("trust list sent", endpoint=endpoint, version=self._list.version)
        return True

    @staticmethod
    def _is_needed(published: TrustList, runtime: MlRuntime) -> bool:
        """A device without a list trusts what it was made with; it needs one when that is not what is trusted now."""
        if runtime.trust_list_version is None or runtime.trust_list_version >= published.version:
            return False
        keys = {entry.key.key_id for entry in published.keys}
        return runtime.trust_list_version > 0 or bool(published.revoked) or set(runtime.trust_anchors) != keys

    def _look(self) -> bool:
        """Read the published list; tells whether it is another one. A list that cannot be read changes nothing."""
        try:
            document = self._keys.published_trust_list() or b""
            if document == self._document:
                return False
            self._list, self._document = TrustList.peek(document) if document else None, document
        except Lwm2mMlError as error:
            log.error("the trust list cannot be read", reason=error.message)
            return False
        return True

    async def _follow(
        self, refresh: Callable[[str], Awaitable[object]], endpoints: Callable[[], Iterable[str]]
    ) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._look():
                continue
            for endpoint in tuple(endpoints()):
                try:
                    await refresh(endpoint)
                except Lwm2mMlError as error:
                    log.info("trust list not sent yet", endpoint=endpoint, reason=error.message)
