"""What another node wrote, for those who keep a table in memory."""

from dataclasses import dataclass

from lwm2m_ml.store import tables

FOLLOWED = frozenset(
    table.name
    for table in (
        tables.base_images,
        tables.bootstrap_configurations,
        tables.credentials,
        tables.device_groups,
        tables.device_tags,
        tables.device_types,
        tables.encryption_keys,
        tables.model_aliases,
        tables.models,
    )
)
"""Tables that change when an operator wants it, and are kept in memory whole."""

TOLD = frozenset({tables.alarms.name, tables.jobs.name})
"""Tables whose changes have events of their own; they are read again when events were missed."""


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """Rows of these tables were written."""

    tables: tuple[str, ...]
