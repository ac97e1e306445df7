"""The key store of a data directory: a folder of keys, and their passphrase in a file of its own, made at first use.

The passphrase may be moved to where backups of the data do not reach, and linked from here.
"""

import os
import pathlib
import secrets
import time

from lwm2m_ml.module.errors import KeyFileError
from lwm2m_ml.module.key_store import KeyStore
from lwm2m_ml.module.signing import read_secret

FOLDER = "keys"
SECRET_FILE = "signing-key.secret"  # noqa: S105 - the name of the file that holds it


def open_key_store(directory: pathlib.Path, secret_file: pathlib.Path | None = None) -> KeyStore:
    """Open the store in `directory`, with the passphrase in `secret_file`; raises KeyFileError."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if secret_file is None:
            _write_secret(directory / SECRET_FILE)
    except OSError as error:
        raise KeyFileError(f"The folder {directory} cannot be used: {error.strerror}") from error
    return look_into_key_store(directory, secret_file)


def look_into_key_store(directory: pathlib.Path, secret_file: pathlib.Path | None = None) -> KeyStore:
    """Open the store that `open_key_store` made, if it did, and make nothing; raises KeyFileError."""
    path = secret_file or directory / SECRET_FILE
    is_new = secret_file is None and not path.exists()
    return KeyStore(directory / FOLDER, b"" if is_new else read_secret(path), time.time)


def _write_secret(path: pathlib.Path) -> None:
    """Make a passphrase; one that a first start wrote before it was interrupted serves as well."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
