"""PostgreSQL: the same tables, reached in the clear on this machine only; what its loss looks like."""

import asyncio
import builtins
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.engine import make_url

from lwm2m_ml.errors import MissingExtraError, UsageError
from lwm2m_ml.store import Store, StoreError
from lwm2m_ml.store.database import Database, create_engine
from lwm2m_ml.store.errors import StoreUnavailable
from lwm2m_ml.store.migrate import current_revision, downgrade, revisions, upgrade
from lwm2m_ml.store.postgresql import check_exposure, connect_arguments, without_tls_parameters
from lwm2m_ml.store.tables import metadata, sequence_numbers


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:secret@db.example/name", "without TLS"),
        ("postgresql://me:secret@192.0.2.1/name?sslmode=require", "without knowing whom"),
        ("postgresql://me@db.example/name?sslmode=verify-full", "without credentials"),
    ],
)
def test_a_server_elsewhere_is_not_asked_in_the_clear_nor_without_credentials(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(UsageError, match=reason) as caught:
        create_engine(url)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@localhost/name",
        "postgresql://me@127.0.0.1:6432/name",
        "postgresql://me@[::1]/name",
        "postgresql://me:secret@db.example/name?sslmode=verify-full",
        "postgresql://me@db.example/name?sslmode=verify-ca&sslcert=a&sslkey=b",
    ],
)
def test_this_machine_and_verified_tls_with_credentials_are_fine(url: str) -> None:
    check_exposure(make_url(url))


def test_the_driver_gets_a_context_that_checks_name_and_certificate() -> None:
    url = make_url("postgresql://me:secret@db.example/name?sslmode=verify-full&sslrootcert=&x=1")
    context = connect_arguments(url)["ssl"]
    assert context.check_hostname
    assert without_tls_parameters(url).query == {"x": "1"}
    assert not connect_arguments(url.update_query_dict({"sslmode": "verify-ca"}))["ssl"].check_hostname
    assert connect_arguments(make_url("postgresql://me@localhost/name")) == {"ssl": False}


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(UsageError, match="certificates"):
        connect_arguments(make_url(f"postgresql://me:x@db.example/n?sslmode=verify-full&sslrootcert={missing}"))
    with pytest.raises(UsageError, match="sslmode=maybe"):
        connect_arguments(make_url("postgresql://me:x@localhost/n?sslmode=maybe"))


def test_a_missing_driver_is_a_sentence_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_asyncpg(name: str, *rest: object, **more: object) -> object:
        if name == "asyncpg":
            raise ModuleNotFoundError(name="asyncpg")
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "asyncpg", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_asyncpg)
    with pytest.raises(MissingExtraError, match=r"pip install 'lwm2m-ml\[cluster\]'"):
        create_engine("postgresql://me@localhost/name")


async def test_nobody_there_is_a_sentence() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await Store.open("postgresql://me@127.0.0.1:1/name")


async def test_a_wrong_password_is_a_sentence(shared_url: str) -> None:
    wrong = make_url(shared_url).set(password="wrong").render_as_string(hide_password=False)
    with pytest.raises(StoreError, match="password authentication failed"):
        await Store.open(wrong)


async def test_the_migrations_yield_exactly_the_tables(shared_url: str) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    engine = create_engine(shared_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_every_revision_goes_up_and_down(postgresql_url: str) -> None:
    for revision in revisions():
        await upgrade(postgresql_url, revision)
    for revision in [*reversed(revisions())][1:]:
        await downgrade(postgresql_url, revision)
    await downgrade(postgresql_url, "base")
    assert await current_revision(postgresql_url) is None


async def test_a_connection_that_the_server_closed_is_replaced(shared_url: str) -> None:
    store = await Store.open(shared_url)
    await store.tokens.count()
    engine = create_engine(shared_url)
    async with engine.connect() as connection:
        name = make_url(shared_url).database
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n AND pid <> pg_backend_pid()"
            ),
            {"n": name},
        )
    await engine.dispose()
    await store.tokens.count()
    await store.writer.flush()
    await store.close()


async def test_nodes_that_count_at_the_same_time_never_get_the_same_number(store_url: str) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("one process has the file")
    nodes = [await Store.open(store_url) for _ in range(2)]
    context = "context of two nodes"
    taken = await asyncio.gather(
        *(node.oscore_contexts.reserve(context, 10) for _ in range(20) for node in nodes),
        *(node.sequence_numbers.next(context) for _ in range(20) for node in nodes),
    )
    assert len(set(taken[:40])) == 40
    assert len(set(taken[40:])) == 40
    database = Database(create_engine(store_url))
    row = await database.row(select(sequence_numbers.c.value).where(sequence_numbers.c.name == context))
    assert row is not None
    assert row.value == 40
    await database.close()
    for node in nodes:
        await node.close()
