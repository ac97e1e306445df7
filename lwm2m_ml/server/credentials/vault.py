"""Secrets at rest: AES-256-GCM under one key, from the configuration or from a file in the data directory."""

import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lwm2m_ml.errors import Lwm2mMlError, UsageError

KEY_FILE = "secrets.key"
KEY_BYTES = 32
NONCE_BYTES = 12
SHORTEST_PHRASE = 16


class SecretsUnreadable(Lwm2mMlError):
    """Stored secrets cannot be decrypted with the key there is."""


class Vault:
    """Seals and opens secrets; the context of a secret is bound to it, so that sealed secrets cannot be exchanged."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, directory: Path, phrase: str = "") -> "Vault":
        """The vault of an installation: under a given phrase, or under a key file that is made at the first start."""
        return cls(_derived(phrase) if phrase else _from_file(directory / KEY_FILE))

    def seal(self, secret: bytes, context: str) -> bytes:
        """Encrypt a secret."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made in the same context; raises `SecretsUnreadable`."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretsUnreadable(
                f"The secret of {context} was encrypted with another key or is damaged",
                hint=f"Restore {KEY_FILE} in the data directory, or LWM2M_ML_SECRET, as it was",
            ) from error


def _derived(phrase: str) -> bytes:
    if len(phrase) < SHORTEST_PHRASE:
        raise UsageError(
            f"LWM2M_ML_SECRET has fewer than {SHORTEST_PHRASE} characters", hint="Use `openssl rand -hex 32`, for one"
        )
    with suppress(ValueError):
        key = bytes.fromhex(phrase)
        if len(key) == KEY_BYTES:
            return key
    return hashlib.scrypt(phrase.encode(), salt=b"lwm2m-ml secrets", n=1 << 14, r=8, p=1, dklen=KEY_BYTES)


def _from_file(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"Others may read {path}", hint=f"Run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SecretsUnreadable(f"{path} is not a key of {KEY_BYTES} bytes", hint="Restore it from a backup")
    return key
