"""Base firmware by the class of devices that it is for; the images themselves lie among the artefacts."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select

from lwm2m_ml.store import tables
from lwm2m_ml.store.clock import now
from lwm2m_ml.store.database import Database
from lwm2m_ml.store.rows import row_of


@dataclass(frozen=True, slots=True)
class BaseImageRecord:
    """The base firmware of one class of devices. Identifiers are hexadecimal; the address is within the image."""

    vendor_id: str
    class_id: str
    name: str
    version: str
    rtos: str
    slot_address: int
    digest: str
    created_at: float = field(default_factory=now)


class BaseImageRepository:
    """Base firmware by vendor and class."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = tables.base_images
        self._put = database.upsert(table)
        self._delete = delete(table).where(
            table.c.vendor_id == bindparam("of_vendor"), table.c.class_id == bindparam("of_class")
        )

    def put(self, record: BaseImageRecord) -> asyncio.Future[None]:
        """Store the base firmware of a class in place of an earlier one."""
        return self._database.writer.submit(self._put, row_of(record))

    def delete(self, vendor_id: str, class_id: str) -> asyncio.Future[None]:
        """Forget the base firmware of a class."""
        return self._database.writer.submit(self._delete, {"of_vendor": vendor_id, "of_class": class_id})

    async def all(self) -> tuple[BaseImageRecord, ...]:
        """All there is, oldest first."""
        statement = select(tables.base_images).order_by(tables.base_images.c.created_at)
        return tuple(BaseImageRecord(**row._mapping) for row in await self._database.rows(statement))
