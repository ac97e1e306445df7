"""The connection to NATS: over TLS and with credentials, unless it is on this machine."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from lwm2m_ml.errors import MissingExtraError, UnavailableError, UsageError
from lwm2m_ml.exposure import Certificates, is_loopback

try:
    from nats.aio.client import Client
    from nats.errors import Error
except ModuleNotFoundError as error:
    raise MissingExtraError("What speaks to NATS", "cluster") from error

CONNECT_SECONDS = 5
FIRST_SECONDS = 10.0
"""How long the first connection may take, with all servers and attempts; later ones are tried for ever."""
RECONNECT_SECONDS = 0.5
CREDENTIAL_PARTS = ("NATS USER JWT", "USER NKEY SEED")
SCHEMES = frozenset({"nats", "tls"})

log = structlog.get_logger(__name__)


def check_exposure(url: str, certificates: Certificates, credentials: Path | None) -> None:
    """Raise `UsageError` when others could listen to the cluster, or join it."""
    for address in url.split(","):
        parts = urlsplit(address)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise UsageError(
                f"{address!r} is no address of a NATS server", hint="Give one like tls://nats.example:4222"
            )
        if is_loopback(parts.hostname):
            continue
        if parts.scheme != "tls":
            raise UsageError(
                f"NATS at {parts.hostname} would be spoken to in the clear",
                hint="Use tls:// with credentials; nats:// is for this machine",
            )
        if not (parts.username or credentials or certificates.complete):
            raise UsageError(
                f"NATS at {parts.hostname} is asked without credentials",
                hint="Give --cluster-credentials, or --cluster-certificate and --cluster-private-key",
            )


async def connect(
    url: str,
    certificates: Certificates,
    credentials: Path | None,
    *,
    name: str,
    on_reconnected: Callable[[], None],
) -> Client:
    """Connect; from then on it reconnects by itself. Raises `UsageError` and `UnavailableError`."""

    async def reconnected() -> None:
        log.info("the connection to NATS is back")
        on_reconnected()

    reason = "no answer"

    async def failed(error: Exception) -> None:
        nonlocal reason
        reason = str(error) or type(error).__name__
        log.warning("NATS", reason=reason)

    check_exposure(url, certificates, credentials)
    if credentials is not None:
        _check_credentials(credentials)
    client = Client()
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            await client.connect(
                url.split(","),
                name=name,
                connect_timeout=CONNECT_SECONDS,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_SECONDS,
                ping_interval=2,
                max_outstanding_pings=2,
                tls=_context(certificates) if "tls://" in url else None,
                user_credentials=None if credentials is None else str(credentials),
                error_cb=failed,
                disconnected_cb=_disconnected,
                reconnected_cb=reconnected,
            )
    except (Error, OSError, TimeoutError) as error:
        with contextlib.suppress(Error, OSError):
            await client.close()
        raise UnavailableError(
            f"NATS at {_without_secrets(url)} does not let this node in ({str(error) or reason})",
            hint="Check that it runs, and the certificates or credentials",
        ) from error
    return client


def _check_credentials(file: Path) -> None:
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        raise UsageError(f"The credentials for NATS cannot be read ({error})") from error
    if not all(f"BEGIN {part}" in text for part in CREDENTIAL_PARTS):
        raise UsageError(f"{file} holds no credentials for NATS", hint="Give the file that `nsc generate creds` writes")


def _context(certificates: Certificates) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=certificates.authority or None)
        if certificates.certificate:
            context.load_cert_chain(certificates.certificate, certificates.private_key or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"The certificates for the cluster cannot be used ({error})") from error
    return context


def _without_secrets(url: str) -> str:
    return ",".join(address.rpartition("@")[2] for address in url.split(","))


async def _disconnected() -> None:
    log.warning("the connection to NATS has ended")
