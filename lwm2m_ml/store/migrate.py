"""Brings a database to this release's tables with Alembic, in a thread with an event loop of its own."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from lwm2m_ml.store.database import create_engine, create_plain_engine, parse_url
from lwm2m_ml.store.errors import DATABASE_ERRORS, StoreError, StoreTooNew, translate

SCRIPTS = Path(__file__).parent / "migrations"


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` up to `revision`. Raises `StoreTooNew` when it is beyond this release."""
    await asyncio.to_thread(_run, url, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; what later tables held is lost."""
    await asyncio.to_thread(_run, url, lambda config: command.downgrade(config, revision))


async def current_revision(url: str) -> str | None:
    """The revision of the database at `url`; None when it is empty. Raises `StoreError`."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(read)
    except DATABASE_ERRORS as error:
        raise translate(error) from error
    finally:
        await engine.dispose()


def revisions() -> tuple[str, ...]:
    """Every revision this release knows, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(reversed([script.revision for script in scripts.walk_revisions()]))


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _run(url: str, action: Callable[[Config], None]) -> None:
    """Run an Alembic command to its end; the calling thread must not have an event loop."""
    try:
        if parse_url(url).get_backend_name() == "sqlite":
            _run_on_sqlite(url, action)
        else:
            asyncio.run(_run_on_server(url, action))
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise StoreTooNew(
                "The database was written by a newer release", hint="Install that release again or restore a backup"
            ) from error
        raise StoreError(f"The database could not be brought up to date ({error})") from error
    except DATABASE_ERRORS as error:
        raise translate(error) from error


def _run_on_sqlite(url: str, action: Callable[[Config], None]) -> None:
    """Use the driver without an event loop: a failing aiosqlite connection outlives a loop as short as this."""
    engine = create_plain_engine(parse_url(url))
    try:
        with engine.execution_options(lwm2m_ml_writer=True).begin() as connection:
            action(_config(connection))
    finally:
        engine.dispose()


async def _run_on_server(url: str, action: Callable[[Config], None]) -> None:
    def act(connection: Connection) -> None:
        action(_config(connection))

    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(act)
    finally:
        await engine.dispose()
