"""Keeps a former owner from writing: what is written about a device, or about campaigns, names the owner's token.

Tokens grow with every change of owner. Whoever takes over stores the new one before anything else; from then on the
database refuses what comes with an older one, however late it comes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_ml.store import tables
from lwm2m_ml.store.errors import WriteRefused
from lwm2m_ml.store.row_statement import RowWrite

CAMPAIGNS = "campaigns"
"""What whoever drives the campaigns owns."""

OF_A_DEVICE = frozenset({
    tables.registrations,
    tables.observations,
    tables.results,
    tables.watched_models,
    tables.dtls_sessions,
})  # fmt: skip
OF_CAMPAIGNS = frozenset({tables.campaigns, tables.campaign_devices, tables.campaign_notes})
ENDPOINT_PARAMETERS = ("endpoint", "of_endpoint")

Statements = Sequence[tuple[Executable, Mapping[str, Any] | None]]


class Fence:
    """Compares the tokens of this process with those in the database, in the transaction that writes."""

    def __init__(self, token: Callable[[str], int | None]) -> None:
        """`token` tells what this process holds for a name; None when it holds nothing."""
        self._token = token

    async def check(self, connection: AsyncConnection, statements: Statements) -> None:
        """Raise `WriteRefused` when one of the statements is not ours to make."""
        refused = await self.refused(connection, names_of(statements))
        if refused:
            raise WriteRefused(min(refused))

    async def check_rows(self, connection: AsyncConnection, writes: Iterable[RowWrite]) -> dict[RowWrite, Exception]:
        """Return the writes that are not ours to make, each with its error."""
        names = {write: _names_of_rows(write) for write in writes}
        refused = await self.refused(connection, frozenset().union(*names.values()))
        return {write: WriteRefused(min(of_it & refused)) for write, of_it in names.items() if of_it & refused}

    async def refused(self, connection: AsyncConnection, names: frozenset[str]) -> frozenset[str]:
        """Return the names that this process has no good token for; the others keep theirs until the commit."""
        if not names:
            return frozenset()
        columns = tables.ownerships.c
        locked = select(columns.name, columns.token).where(columns.name.in_(names)).order_by(columns.name)
        rows = await connection.execute(locked.with_for_update(read=True))
        stored = {row.name: int(row.token) for row in rows}
        return frozenset(name for name in names if name not in stored or stored[name] != self._token(name))


def names_of(statements: Statements) -> frozenset[str]:
    """Return what one has to own to make these statements."""
    names: set[str] = set()
    for statement, parameters in statements:
        table = getattr(statement, "table", None)
        if table in OF_CAMPAIGNS:
            names.add(CAMPAIGNS)
        elif table in OF_A_DEVICE and isinstance(parameters, Mapping):
            names.update(str(parameters[key]) for key in ENDPOINT_PARAMETERS if key in parameters)
    return frozenset(names)


def _names_of_rows(write: RowWrite) -> frozenset[str]:
    if write.statement.table not in OF_A_DEVICE:
        return frozenset()
    at = write.statement.columns.index("endpoint")
    return frozenset(str(row[at]) for row in write.rows)
