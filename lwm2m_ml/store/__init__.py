"""Durable state: tables, records, migrations, group commit."""

from lwm2m_ml.store.errors import RecordConflict, StoreError
from lwm2m_ml.store.store import Store

__all__ = ["RecordConflict", "Store", "StoreError"]
