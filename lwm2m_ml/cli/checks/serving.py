"""Whether a server with these settings can start here: ports, database, keys."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from lwm2m_ml.cli.checks.finding import Finding
from lwm2m_ml.config import Settings

KEY_FILES = ("secrets.key", "signing-key.secret", "lwm2m-ml.sqlite3")
SHORT_BYTES = 1 << 30
FULL_BYTES = 64 << 20


def ports(settings: Settings) -> Iterator[Finding]:
    """Bind every port that the server would, and let go of it."""
    wanted = [("api", settings.api_host, settings.api_port, socket.SOCK_STREAM)]
    if settings.insecure or settings.oscore:
        wanted.append(("coap", settings.coap_host, settings.coap_port, socket.SOCK_DGRAM))
    if settings.coaps:
        wanted.append(("coaps", settings.coap_host, settings.secure_port, socket.SOCK_DGRAM))
    for scheme, port in (("coap+tcp", settings.coap_tcp_port), ("coaps+tcp", settings.coaps_tcp_port)):
        if port is not None:
            wanted.append((scheme, settings.coap_host, port, socket.SOCK_STREAM))
    for name, host, port, kind in wanted:
        yield _port(f"port {name}", host, port, kind)


def _port(check: str, host: str, port: int, kind: socket.SocketKind) -> Finding:
    address = f"{host}:{port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as bound:
            if kind is socket.SOCK_STREAM:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
    except OSError as error:
        advice = "If that is not your running server, end the other program or choose another port or address"
        return Finding(check, "warning", f"{address}: {error.strerror or error}", advice)
    return Finding(check, "ok", f"{address} is free")


def database(settings: Settings) -> Iterator[Finding]:
    """Look at the embedded database without changing it; say where another one is."""
    directory = settings.data_directory
    if settings.database:
        yield Finding("database", "ok", "elsewhere, by the URL that is configured; it is not asked")
    elif not directory.exists():
        yield Finding("database", "ok", f"{directory} will be made at the first start")
        return
    else:
        yield _embedded(directory / "lwm2m-ml.sqlite3")
    yield _disk(directory)


def _disk(directory: Path) -> Finding:
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    text = f"{free / (1 << 30):.1f} GiB free in {directory}"
    if free > SHORT_BYTES:
        return Finding("disk", "ok", text)
    if free > FULL_BYTES:
        return Finding("disk", "warning", text, "Make room there")
    return Finding("disk", "failure", text, "Make room there: a server without it refuses whatever it would promise")


def _embedded(file: Path) -> Finding:
    import sqlite3

    if not file.exists():
        return Finding("database", "ok", f"{file} will be made at the first start")
    try:
        with sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0) as connection:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.close()
    except (sqlite3.Error, TypeError) as error:
        return Finding("database", "failure", f"{file}: {error}", "Restore it: docs/operations.md tells how")
    if state != "ok":
        return Finding("database", "failure", f"{file} is damaged: {state}", "Restore a backup: see docs/operations.md")
    if not os.access(file, os.W_OK):
        return Finding("database", "failure", f"{file} cannot be written", f"Run: chown $USER {file}")
    return Finding("database", "ok", f"{file} is sound, its tables are of revision {revision}")


def secrets(settings: Settings) -> Iterator[Finding]:
    """See that nobody else may read the keys and the database."""
    directory = settings.data_directory
    exposed = [str(directory)] if directory.exists() and stat.S_IMODE(directory.stat().st_mode) & 0o077 else []
    keys = [name for name in KEY_FILES if (directory / name).exists()]
    if exposed:
        readable = [name for name in keys if stat.S_IMODE((directory / name).stat().st_mode) & 0o077]
        advice = f"Run: chmod -R go-rwx {directory}"
        yield Finding("secrets", "failure" if readable else "warning", f"others may look into {directory}", advice)
    else:
        yield Finding("secrets", "ok", f"{', '.join(keys) or 'nothing'} in {directory}, for its owner only")
