"""Makes a restored database safe to serve from: what had gone on after the backup must not happen a second time."""

import sqlite3
from pathlib import Path

from lwm2m_ml.store.errors import StoreError

LEAP = 1 << 20
"""How far counters are set on: more than a server gives out between two backups."""

STATEMENTS = (
    # A nonce used twice under one key gives plaintexts away (RFC 8613 §7.5): none of those after the backup returns.
    ("UPDATE oscore_contexts SET next_number = next_number + ?", (LEAP,)),
    # What peers sent after the backup is not known any more: they prove by an Echo that they are fresh (Appendix B.1).
    ("UPDATE oscore_contexts SET taken = 1, saved = 0", ()),
    # So of DTLS sessions; devices make a handshake.
    ("DELETE FROM dtls_sessions", ()),
    # Devices refuse packages whose sequence number is not above that of their module.
    ("UPDATE sequence_numbers SET value = value + ?", (LEAP,)),
)


def make_safe(database: Path) -> None:
    """Set the counters of a restored SQLite database on; raises `StoreError` when it is none of a server."""
    try:
        with sqlite3.connect(database) as connection:
            for statement, parameters in STATEMENTS:
                connection.execute(statement, parameters)
        connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"The database in the backup cannot be used ({error})") from error


def snapshot(database: Path, copy: Path) -> str:
    """Copy a SQLite database as it is at one moment, whoever writes to it; returns its revision."""
    try:
        with sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30.0) as source:
            with sqlite3.connect(copy) as target:
                source.backup(target)
                (revision,) = target.execute("SELECT version_num FROM alembic_version").fetchone()
            target.close()
        source.close()
    except (sqlite3.Error, TypeError) as error:
        raise StoreError(f"{database} cannot be copied ({error})", hint="Is it the database of a server?") from error
    return str(revision)
