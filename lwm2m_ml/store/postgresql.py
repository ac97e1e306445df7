"""How a PostgreSQL server is reached: over TLS and with credentials, unless it is on this machine.

The URL takes the parameters of libpq (PostgreSQL documentation, 34.1.2): sslmode, sslrootcert, sslcert, sslkey.
"""

import os
import ssl
from typing import Any

from sqlalchemy import URL

from lwm2m_ml.errors import UsageError
from lwm2m_ml.exposure import is_loopback

TLS_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
VERIFIED = frozenset({"verify-full", "verify-ca"})
"""The modes in which nobody else can stand in for the server."""
CONNECTIONS = 10
EXTRA = "cluster"


def check_exposure(url: URL) -> None:
    """Raise `UsageError` when the database would be asked, or the password told, in the clear beyond this machine."""
    host, mode = url.host or "localhost", _text(url, "sslmode")
    if is_loopback(host):
        return
    if mode not in VERIFIED:
        raise UsageError(
            f"The database on {host} would be reached without TLS, or without knowing whom it is spoken to",
            hint="Add ?sslmode=verify-full&sslrootcert=FILE to its URL",
        )
    if not (url.password or _text(url, "sslcert") or os.environ.get("PGPASSWORD")):
        raise UsageError(
            f"The database on {host} is asked without credentials",
            hint="Give a password in its URL or in PGPASSWORD, or a client certificate with sslcert and sslkey",
        )


def connect_arguments(url: URL) -> dict[str, Any]:
    """What the driver is told besides the URL; raises `UsageError` for certificates that cannot be used."""
    mode = _text(url, "sslmode")
    if mode in {"", "disable"}:
        return {"ssl": False}
    if mode not in VERIFIED:
        raise UsageError(f"The database URL asks for sslmode={mode}", hint="Use verify-full, verify-ca or disable")
    try:
        context = ssl.create_default_context(cafile=_text(url, "sslrootcert") or None)
        context.check_hostname = mode == "verify-full"
        if _text(url, "sslcert"):
            context.load_cert_chain(_text(url, "sslcert"), _text(url, "sslkey") or None)
    except (OSError, ssl.SSLError) as error:
        hint = "They have to be PEM files that belong together"
        raise UsageError(f"The certificates in the database URL cannot be used ({error})", hint=hint) from error
    return {"ssl": context}


def without_tls_parameters(url: URL) -> URL:
    """The URL as the driver takes it."""
    return url.difference_update_query(TLS_PARAMETERS)


def _text(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else value[-1]
