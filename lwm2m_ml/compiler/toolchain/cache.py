"""The cache directory: results of the toolchain by digest, safe for several processes at once."""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from lwm2m_ml.errors import UsageError

# There are 256 directories of each kind.
MAX_FILES_PER_DIRECTORY = 64
_HOUR = 3600
_SAFE_AGE = 24 * _HOUR


def cache_directory() -> Path:
    """Where the toolchain keeps its results: `LWM2M_ML_CACHE`, else the platform's place for a user's caches."""
    chosen = os.environ.get("LWM2M_ML_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "lwm2m-ml" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "lwm2m-ml"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "lwm2m-ml"


def digest_of(parts: Iterable[str | bytes]) -> str:
    """Digest a sequence of parts; their boundaries count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def cached_file(kind: str, digest: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """Return the cached file of that digest; when it is not there, `make` writes it at the path that it is given.

    The file appears under its name in one step, so that another process sees all of it or nothing. Two processes that
    make it at the same time write the same bytes.
    """
    path = cache_directory() / kind / digest[:2] / f"{digest}{suffix}"
    if path.exists():
        _mark_used(path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=suffix)
    except OSError as error:
        raise UsageError(
            f"Cannot write to the cache directory {cache_directory()}: {error.strerror}",
            hint="Set LWM2M_ML_CACHE to a directory that you can write to",
        ) from None
    os.close(handle)
    try:
        make(Path(temporary))
        _publish(temporary, path)
        _drop_oldest(path.parent)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return path


def _publish(temporary: str, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except PermissionError:
        # Windows refuses to replace a file that another process has open; that file has the same content.
        if not path.exists():
            raise


def _mark_used(path: Path) -> None:
    """Note that a file was used, at most once an hour, so that the files in use are not the oldest."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _HOUR:
            os.utime(path)


def _drop_oldest(directory: Path) -> None:
    """Keep a directory of the cache bounded; what somebody may be using right now stays."""
    with suppress(OSError):
        files = sorted((entry.stat().st_mtime, entry.path) for entry in os.scandir(directory))
        for used, path in files[: max(0, len(files) - MAX_FILES_PER_DIRECTORY)]:
            if time.time() - used > _SAFE_AGE:
                os.unlink(path)
