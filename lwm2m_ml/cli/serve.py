"""`lwm2m-ml serve`: run the service until Ctrl-C."""

import asyncio
import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.app import Running


def serve(
    data_directory: Annotated[Path | None, typer.Option(help="Where database, keys and caches live.")] = None,
    coap_host: Annotated[str | None, typer.Option(help="Address for devices.")] = None,
    coap_port: Annotated[int | None, typer.Option(help="UDP port for devices; 0 picks a free one.")] = None,
    api_host: Annotated[str | None, typer.Option(help="Address for the REST API.")] = None,
    api_port: Annotated[int | None, typer.Option(help="TCP port for the REST API; 0 picks a free one.")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Accept plain CoAP beyond loopback.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Announce the addresses as one line of JSON.")] = False,
) -> None:
    """Run the service until Ctrl-C: CoAP for devices, REST for operators."""
    from pydantic import ValidationError

    from lwm2m_ml.config import Settings
    from lwm2m_ml.logs import configure_logging

    flags: dict[str, Any] = {
        "data_directory": data_directory,
        "coap_host": coap_host,
        "coap_port": coap_port,
        "api_host": api_host,
        "api_port": api_port,
        "insecure": insecure,
    }
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"Setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if not settings.insecure and not _is_loopback(settings.coap_host):
        raise UsageError(
            f"Plain CoAP on {settings.coap_host} would let anyone register and be served",
            hint="Keep to 127.0.0.1, or accept the risk with --insecure",
        )
    from lwm2m_ml.app import serve as serve_until_stopped

    configure_logging()
    asyncio.run(serve_until_stopped(settings, lambda running: _announce(running, as_json)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _announce(running: "Running", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"api": running.api, "coap": running.coap, "token": running.first_token}))
        return
    typer.echo(f"Devices: {running.coap}")
    typer.echo(f"API:     {running.api} (described at {running.api}/openapi.json)")
    if running.first_token:
        typer.echo(f"Admin token, shown this once: {running.first_token}")
        typer.echo(f"  export LWM2M_ML_SERVER={running.api} LWM2M_ML_TOKEN={running.first_token}")
