"""A PostgreSQL server of our own, in a temporary directory."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lwm2m_ml_simulator.cluster.process import LOOPBACK, find_program, free_port, running, start

USER = "postgres"
DEBIAN = Path("/usr/lib/postgresql")
PACKAGE = "postgresql"
INITIAL = ("--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")


@dataclass(frozen=True, slots=True)
class PostgreSql:
    """Where a server is reached."""

    port: int
    password: str = field(repr=False)
    createdb: str
    """The program that makes databases."""

    def url(self, database: str = USER) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create(self, database: str, *, like: str | None = None) -> str:
        """Make a database, empty or a copy of another that nobody uses, and return its URL."""
        subprocess.run(
            [self.createdb, *([] if like is None else [f"--template={like}"]), database],
            check=True,
            env={**os.environ, "PGHOST": LOOPBACK, "PGPORT": str(self.port)}
            | {"PGUSER": USER, "PGPASSWORD": self.password},
        )
        return self.url(database)


@contextmanager
def postgresql(*, durable: bool = True) -> Iterator[PostgreSql]:
    """Start a server on a free port and stop it at the end; what it held is gone then.

    PostgreSQL refuses to run as root, so that root starts it as Debian's user `postgres`. A server that is not
    `durable` forgets what it acknowledged when the machine stops, and is faster for it. Raises `MissingToolError`.
    """
    folders = sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    initdb, server, createdb = (find_program(name, PACKAGE, folders) for name in ("initdb", "postgres", "createdb"))
    home = Path(tempfile.mkdtemp(prefix="lwm2m-ml-postgresql-"))
    try:
        with _served(home, initdb, server, durable=durable) as (port, password):
            yield PostgreSql(port, password, createdb)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _served(home: Path, initdb: str, server: str, *, durable: bool) -> Iterator[tuple[int, str]]:
    data, password_file, log = home / "data", home / "password", home / "log"
    port, password = free_port(), secrets.token_hex(16)
    password_file.write_text(password)
    user = None
    if os.geteuid() == 0:
        user = USER
        for path in (home, password_file):
            shutil.chown(path, USER, USER)
    subprocess.run(
        [initdb, f"--pgdata={data}", f"--username={USER}", f"--pwfile={password_file}", *INITIAL],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
    )
    options = {"listen_addresses": LOOPBACK, "port": port, "unix_socket_directories": "", "max_connections": 60}
    if not durable:
        options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    command = [server, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
    with running(start("PostgreSQL", command, log, user=user)) as program:
        program.wait_until(lambda: "ready to accept connections" in program.tail())
        yield port, password


def _version(folder: Path) -> int:
    match = re.match(r"\d+", folder.parent.name)
    return int(match[0]) if match else 0
