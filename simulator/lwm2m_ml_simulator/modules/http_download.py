"""Pulls a package over HTTP or HTTPS into a slot's flash, and goes on at the byte it needs after any break."""

import asyncio
import ssl

import httpx

from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.modules.fetching import DownloadFailed, DownloadProblem, FetchSettings
from lwm2m_ml_simulator.modules.reception import Reception
from lwm2m_ml_simulator.modules.staging import Source

SCHEMES = frozenset({"http", "https"})
_PARTIAL, _WHOLE = 206, 200


class HttpDownload:
    """One package on its way into one slot. What arrives is kept in pieces of a block, as flash is written."""

    def __init__(self, reception: Reception, settings: FetchSettings, faults: FaultInjector) -> None:
        self._reception = reception
        self._staging = reception.staging
        self._settings = settings
        self._faults = faults

    async def run(self, uri: str) -> None:
        """Fetch the whole package; raises DownloadFailed, or ModuleRejected when what arrives is not acceptable."""
        if self._staging.source is None or self._staging.source.uri != uri:
            self._reception.begin(Source(uri))
        trusted = ssl.create_default_context(cafile=self._settings.authorities) if self._settings.authorities else True
        async with httpx.AsyncClient(timeout=self._settings.patience, trust_env=False, verify=trusted) as client:
            for attempt in range(self._settings.attempts):
                await asyncio.sleep(self._settings.pause * attempt)
                try:
                    await self._fetch(client, uri)
                except httpx.InvalidURL as error:
                    raise DownloadFailed(DownloadProblem.INVALID_URI, str(error)) from error
                except httpx.HTTPError:
                    continue
                except StorageFull as error:
                    raise DownloadFailed(DownloadProblem.STORAGE, error.message) from error
                return
        raise DownloadFailed(DownloadProblem.CONNECTION_LOST, f"{uri} does not answer")

    async def _fetch(self, client: httpx.AsyncClient, uri: str) -> None:
        """Ask for what is missing; raises httpx.HTTPError when the connection breaks."""
        received, source = self._reception.received, self._staging.source
        etag = source.etag.decode("ascii") if source is not None and source.etag is not None else ""
        headers = {"Range": f"bytes={received}-", "If-Range": etag} if received and etag else {}
        async with client.stream("GET", uri, headers=headers) as response:
            if response.status_code not in {_WHOLE, _PARTIAL}:
                raise DownloadFailed(DownloadProblem.INVALID_URI, f"the package was answered with {response}")
            if response.status_code == _WHOLE:
                length = response.headers.get("content-length", "")
                told = response.headers.get("etag", "").encode("ascii")
                self._reception.begin(Source(uri, told, int(length) if length.isdigit() else None))
            async for piece in response.aiter_bytes(self._settings.block_bytes):
                received = self._reception.received
                self._reception.append(self._faults.arriving(received, piece))
                self._faults.block_stored()
                if self._reception.received != received + len(piece):
                    raise httpx.ReadError("a block arrived damaged")
