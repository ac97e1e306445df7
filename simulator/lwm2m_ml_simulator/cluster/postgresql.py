"""A PostgreSQL server of our own, in a temporary directory."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lwm2m_ml.exposure import Certificates
from lwm2m_ml_simulator.cluster.process import LOOPBACK, Program, find_program, free_port, start

USER = "postgres"
DEBIAN = Path("/usr/lib/postgresql")
PACKAGE = "postgresql"
INITIAL = ("--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
READY = b"ready to accept connections"
STOP_SECONDS = 30.0
ONLY_WITH_CERTIFICATE = f"hostssl all all {LOOPBACK}/32 cert\n"
"""Who is let in (PostgreSQL documentation, 20.12)."""


@dataclass(slots=True)
class PostgreSql:
    """A server of our own, which can be ended and started again."""

    port: int
    password: str = field(repr=False)
    createdb: str
    """The program that makes databases."""
    _command: Sequence[str]
    _log: Path
    _user: str | None
    _program: Program | None = None

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

    def start(self) -> None:
        """Start it, again if it was ended; raises `ProgramFailed`."""
        began = self._log.stat().st_size if self._log.exists() else 0
        self._program = program = start("PostgreSQL", self._command, self._log, user=self._user)
        program.wait_until(lambda: READY in self._log.read_bytes()[began:])

    def crash(self) -> None:
        """End it at once and with everybody who is connected; it recovers when it is started again."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order; who is connected is sent away."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        program, self._program = self._program, None
        if program is not None and program.process.poll() is None:
            program.process.send_signal(how)
            program.process.wait(STOP_SECONDS)


@contextmanager
def postgresql(*, durable: bool = True, certificates: Certificates | None = None) -> Iterator[PostgreSql]:
    """Start a server on a free port and stop it at the end; what it held is gone then.

    PostgreSQL refuses to run as root, so that root starts it as Debian's user `postgres`. A server that is not
    `durable` forgets what it acknowledged when the machine stops, and is faster for it. With `certificates` it lets in
    who comes over TLS with a certificate of that authority that bears the user's name, and nobody else. Raises
    `MissingToolError`.
    """
    folders = sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    initdb, server, createdb = (find_program(name, PACKAGE, folders) for name in ("initdb", "postgres", "createdb"))
    home = Path(tempfile.mkdtemp(prefix="lwm2m-ml-postgresql-"))
    try:
        data, password = home / "data", secrets.token_hex(16)
        user = USER if os.geteuid() == 0 else None
        _initialise(home, initdb, password, user)
        port = free_port()
        options: dict[str, object] = {"listen_addresses": LOOPBACK, "port": port, "unix_socket_directories": ""}
        options["max_connections"] = 60
        if not durable:
            options |= NOT_DURABLE
        if certificates is not None:
            options |= _over_tls(home, certificates, user)
        command = [server, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
        found = PostgreSql(port, password, createdb, command, home / "log", user)
        try:
            found.start()
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _initialise(home: Path, initdb: str, password: str, user: str | None) -> None:
    password_file = home / "password"
    password_file.write_text(password)
    _give([home, password_file], user)
    subprocess.run(
        [initdb, f"--pgdata={home / 'data'}", f"--username={USER}", f"--pwfile={password_file}", *INITIAL],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
    )


def _over_tls(home: Path, certificates: Certificates, user: str | None) -> dict[str, object]:
    """The server's options for TLS; it takes its own key only from a file that nobody else can read."""
    names = {"ssl_ca_file": "authority", "ssl_cert_file": "certificate", "ssl_key_file": "private_key"}
    options: dict[str, object] = {"ssl": "on"}
    for option, name in names.items():
        file = home / option
        shutil.copy(getattr(certificates, name), file)
        file.chmod(0o600)
        options[option] = file
    access = home / "access"
    access.write_text(ONLY_WITH_CERTIFICATE)
    _give([access, *map(home.joinpath, names)], user)
    return options | {"hba_file": access}


def _give(paths: Iterable[Path], user: str | None) -> None:
    if user is not None:
        for path in paths:
            shutil.chown(path, user, user)


def _version(folder: Path) -> int:
    match = re.match(r"\d+", folder.parent.name)
    return int(match[0]) if match else 0
