"""Backups of an installation: its database at one moment, even while a server writes to it, and its keys.

A backup is a tar file, compressed with gzip, whose first member lists the others with their digests. It holds every
secret of the installation.
"""

import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from lwm2m_ml import __version__
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, InvalidInputError, Lwm2mMlError, UsageError
from lwm2m_ml.store.restored import make_safe, snapshot

DATABASE = "lwm2m-ml.sqlite3"
LIST = "backup.json"
LARGEST_LIST = 1 << 20
COPIED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: the release and revision it was made with, when (Unix seconds), and its files' digests."""

    release: str
    revision: str
    made_at: float
    files: dict[str, str]


def create(settings: Settings, file: Path) -> Backup:
    """Back up the installation with these settings. Raises `UsageError`, `ConflictError` and `StoreError`."""
    directory = settings.data_directory
    if settings.database:
        hint = "Back it up with its own tools (pg_dump), and the data directory with `tar`"
        raise UsageError("The database of this installation is not in its data directory", hint=hint)
    if not (directory / DATABASE).exists():
        raise UsageError(f"There is no installation in {directory}", hint="Name another with --data-directory")
    with tempfile.TemporaryDirectory(dir=directory, prefix=".backup-") as name:
        # The database first: a key that it knows of is then among the files, too.
        revision = snapshot(directory / DATABASE, Path(name) / DATABASE)
        members = {DATABASE: Path(name) / DATABASE} | dict(_files(directory))
        digests = {member: _digest(path) for member, path in members.items()}
        backup = Backup(__version__, revision, time.time(), digests)
        _write(backup, members, file)
    return backup


def inspect(file: Path) -> Backup:
    """What a backup holds; raises `InvalidInputError` when it is none, or damaged."""
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as name:
        return _extract(file, Path(name))


def restore(file: Path, directory: Path) -> Backup:
    """Make the installation of a backup anew, in a directory that is not there yet or is empty.

    Counters that must never go back are set on. Raises `ConflictError` and `InvalidInputError`.
    """
    if directory.exists() and any(directory.iterdir()):
        raise ConflictError(f"{directory} is not empty", hint="Move it away, or name another with --data-directory")
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".restore-") as name:
        work = Path(name) / "data"
        work.mkdir(mode=0o700)
        backup = _extract(file, work)
        make_safe(work / DATABASE)
        if directory.exists():
            directory.rmdir()
        work.rename(directory)
    return backup


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Keys, certificates and definitions: all but the database and what is hidden."""
    for path in sorted(directory.rglob("*")):
        member = path.relative_to(directory)
        if path.is_file() and not path.name.startswith(DATABASE) and not any(part[0] == "." for part in member.parts):
            yield member.as_posix(), path


def _write(backup: Backup, members: dict[str, Path], file: Path) -> None:
    """Write the backup beside its place first: one that is there is complete."""
    listed = json.dumps(asdict(backup), indent=2).encode()
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        opened = os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        with opened, tarfile.open(fileobj=opened, mode="w:gz", compresslevel=6) as archive:
            head = tarfile.TarInfo(LIST)
            head.size, head.mode, head.mtime = len(listed), 0o600, int(backup.made_at)
            archive.addfile(head, io.BytesIO(listed))
            for member, path in members.items():
                archive.add(path, member, recursive=False)
            archive.close()
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Lwm2mMlError(f"{file} cannot be written ({error.strerror or error})") from error


def _extract(file: Path, directory: Path) -> Backup:
    try:
        with tarfile.open(file, "r:gz") as archive:
            backup = _listed(archive)
            found = {}
            for member in archive:
                name = member.name
                if name == LIST:
                    continue
                if not member.isfile() or name not in backup.files:
                    raise InvalidInputError(f"{file} holds {name!r}, which it does not list")
                found[name] = _copy(archive, member, directory / name)
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{file} is no backup, or is damaged ({error})") from error
    if found != backup.files:
        wrong = sorted(name for name in backup.files if found.get(name) != backup.files[name])
        raise InvalidInputError(f"{file} is damaged: {', '.join(wrong)}", hint="Use another backup")
    return backup


def _listed(archive: tarfile.TarFile) -> Backup:
    head = archive.next()
    if head is None or head.name != LIST or head.size > LARGEST_LIST:
        raise ValueError("its list is missing")
    opened = archive.extractfile(head)
    backup = Backup(**json.loads(opened.read() if opened else b""))
    for name in backup.files:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"it lists {name!r}")
    if DATABASE not in backup.files:
        raise ValueError("it has no database")
    return backup


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source, digest = archive.extractfile(member), hashlib.sha256()
    mode = 0o600 if member.mode & 0o077 == 0 else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as target:
        while source is not None and (part := source.read(COPIED_BYTES)):
            target.write(part)
            digest.update(part)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
