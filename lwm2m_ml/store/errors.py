"""What can go wrong with the database, as sentences; the only place that looks into SQLAlchemy's exceptions."""

from sqlalchemy import exc

from lwm2m_ml.errors import ConflictError, Lwm2mMlError, UnavailableError


class StoreError(Lwm2mMlError):
    """The database did not do what was asked."""


class StoreUnavailable(StoreError, UnavailableError):
    """The database cannot be opened or reached."""


class StoreFull(StoreError, UnavailableError):
    """There is no room left for the database."""


class StoreOverloaded(StoreError, UnavailableError):
    """More writes are waiting than the database can take in bounded time."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} writes are already waiting for the database", hint="Try again in a few seconds")


class StoreClosed(StoreError, UnavailableError):
    """The store has been closed; nothing can be written any more."""

    def __init__(self) -> None:
        super().__init__("The store is closed")


class StoreTooNew(StoreError):
    """The database was written by a newer release."""


class WriteRefused(StoreError, UnavailableError):
    """Another node of the cluster acts for what was to be written about."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another node acts for {name} by now", hint="Ask that node, or try again")


class RecordConflict(StoreError, ConflictError):
    """A record contradicts one that is there: a key used twice, or a reference to nothing."""


DATABASE_ERRORS = (exc.SQLAlchemyError, OSError)
"""What statements raise; the second when a database server cannot be reached."""

CONDITIONS = tuple(
    f"SQLITE_{name}" for name in ("FULL", "IOERR", "READONLY", "CANTOPEN", "BUSY", "LOCKED", "CORRUPT", "NOTADB")
)
"""SQLite's names for what is wrong with the database or its disk, not with a statement."""

STATES = ("08", "25006", "53200", "53300", "57P", "58")
"""Beginnings of PostgreSQL's codes (documentation, appendix A) for the same of a server: it is not reached, only reads,
has no memory or connection left, starts, stops or was told to end us, or its disk fails."""
FULL = "53100"


def concerns_everybody(error: Exception) -> bool:
    """Whether a failure lies in the state of the database, so that nothing else can be written either."""
    if isinstance(error, StoreUnavailable | OSError):
        return True
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated or _state(error).startswith(STATES):
            return True
        return getattr(error.orig, "sqlite_errorname", "").startswith(CONDITIONS)
    return getattr(error, "sqlite_errorname", "").startswith(CONDITIONS)


def translate(error: exc.SQLAlchemyError | OSError) -> StoreError:
    """The store's error for a database error."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return StoreUnavailable(
            f"The database cannot be reached ({reason})", hint="Check its address, and that it runs"
        )
    reason = str(error.orig).strip().rstrip(".") if isinstance(error, exc.DBAPIError) else str(error)
    if isinstance(error, exc.IntegrityError):
        return RecordConflict(f"The record contradicts one that is stored ({reason})")
    if ("full" in reason and isinstance(error, exc.OperationalError)) or _state(error) == FULL:
        return StoreFull(f"The database has no room left ({reason})", hint="Free space on its disk, then try again")
    if isinstance(error, exc.DBAPIError) and (error.connection_invalidated or _state(error).startswith(STATES)):
        return StoreUnavailable(f"The database went away ({reason})", hint="It is asked again by itself")
    # SQLite says of a file that is damaged or none of its own nothing more precise than DatabaseError.
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError:
        return StoreUnavailable(
            f"The database is not usable ({reason})", hint="Check that its file or server is there and writable"
        )
    return StoreError(f"The database refused a statement ({reason})")


def _state(error: exc.SQLAlchemyError) -> str:
    """PostgreSQL's code for an error; SQLite has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
