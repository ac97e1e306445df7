"""What is laid out for devices to download: an address that was told to a device survives a restart of the server."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.database import Database


@dataclass(frozen=True, slots=True)
class DownloadOfferRecord:
    """One content under one token for one device, until a time in Unix seconds."""

    token: str
    endpoint: str
    uri: str
    content: bytes
    expires_at: float


class DownloadOfferRepository:
    """Offers by token; the content itself lies among the artefacts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = database.upsert(tables.download_offers)
        self._delete = delete(tables.download_offers).where(tables.download_offers.c.token == bindparam("of_token"))

    def put(self, token: str, endpoint: str, uri: str, digest: str, expires_at: float) -> asyncio.Future[None]:
        """Store an offer of the artefact with this digest."""
        row = {"token": token, "endpoint": endpoint, "uri": uri, "digest": digest, "expires_at": expires_at}
        return self._database.writer.submit(self._put, row)

    def delete(self, token: str) -> asyncio.Future[None]:
        """Forget an offer."""
        return self._database.writer.submit(self._delete, {"of_token": token})

    async def token_of(self, endpoint: str, digest: str) -> str | None:
        """The token under which a device was offered the artefact with this digest, or None."""
        offers = tables.download_offers.c
        found = select(offers.token).where(offers.endpoint == endpoint, offers.digest == digest)
        row = await self._database.row(found.order_by(offers.expires_at.desc()))
        return None if row is None else str(row.token)

    async def get(self, token: str) -> DownloadOfferRecord | None:
        """One offer with its content, or None."""
        offers, artefacts = tables.download_offers.c, tables.artefacts.c
        joined = tables.download_offers.join(tables.artefacts, artefacts.digest == offers.digest)
        columns = offers.token, offers.endpoint, offers.uri, artefacts.content, offers.expires_at
        row = await self._database.row(select(*columns).select_from(joined).where(offers.token == token))
        return None if row is None else DownloadOfferRecord(**row._mapping)

    async def all(self) -> tuple[DownloadOfferRecord, ...]:
        """Every offer whose content is there; the same content is in memory once, however many devices fetch it."""
        rows = await self._database.rows(select(tables.download_offers))
        digests = {row.digest for row in rows}
        artefacts = tables.artefacts.c
        contents = {
            row.digest: bytes(row.content)
            for row in await self._database.rows(
                select(artefacts.digest, artefacts.content).where(artefacts.digest.in_(digests))
            )
        }
        return tuple(
            DownloadOfferRecord(row.token, row.endpoint, row.uri, contents[row.digest], row.expires_at)
            for row in rows
            if row.digest in contents
        )
