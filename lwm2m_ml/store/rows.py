"""Rows from records."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def row_of(record: "DataclassInstance") -> dict[str, Any]:
    """The columns of a record. `dataclasses.asdict` would copy every JSON document, level by level."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
