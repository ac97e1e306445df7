"""`lwm2m-ml serve`: run the service until Ctrl-C."""

import asyncio
import importlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lwm2m_ml.app import Running


def serve(
    data_directory: Annotated[Path | None, typer.Option(help="Where database, keys and caches live.")] = None,
    database: Annotated[
        str | None, typer.Option(help="URL of a PostgreSQL database [SQLite in the data directory]")
    ] = None,
    compile_farm: Annotated[str | None, typer.Option(help="Address of a Dask scheduler that compiles [here]")] = None,
    cluster: Annotated[str | None, typer.Option(help="NATS servers by which nodes are one service [alone]")] = None,
    node: Annotated[str | None, typer.Option(help="What this node is called [like its host]")] = None,
    cluster_credentials: Annotated[Path | None, typer.Option(help="A .creds file for NATS.")] = None,
    cluster_ca: Annotated[Path | None, typer.Option(help="PEM of who signs for the parts of the cluster.")] = None,
    cluster_certificate: Annotated[Path | None, typer.Option(help="PEM to show to NATS and Dask.")] = None,
    cluster_private_key: Annotated[Path | None, typer.Option(help="PEM of that certificate's key.")] = None,
    coap_host: Annotated[str | None, typer.Option(help="Address for devices.")] = None,
    coap_port: Annotated[int | None, typer.Option(help="UDP port for plain CoAP; 0 picks a free one.")] = None,
    coaps_port: Annotated[int | None, typer.Option(help="UDP port for CoAP over DTLS [the one after]")] = None,
    dtls_engine: Annotated[str | None, typer.Option(help="openssl, or cid for devices behind NATs [openssl]")] = None,
    public_uris: Annotated[
        str | None, typer.Option(help="Where devices find this server behind a balancer, like coaps://HOST:PORT.")
    ] = None,
    oscore: Annotated[bool | None, typer.Option("--oscore", help="Accept OSCORE on the CoAP port, too.")] = None,
    coap_tcp_port: Annotated[int | None, typer.Option(help="TCP port for plain CoAP, too [off]")] = None,
    coaps_tcp_port: Annotated[int | None, typer.Option(help="TCP port for CoAP over TLS [off]")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM to show to devices [one made at the start]")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM of the certificate's key.")] = None,
    api_host: Annotated[str | None, typer.Option(help="Address for the REST API.")] = None,
    api_port: Annotated[int | None, typer.Option(help="TCP port for the REST API; 0 picks a free one.")] = None,
    api_certificate: Annotated[Path | None, typer.Option(help="PEM to serve the REST API over TLS with.")] = None,
    api_private_key: Annotated[Path | None, typer.Option(help="PEM of that certificate's key.")] = None,
    api_plaintext: Annotated[
        bool | None, typer.Option("--api-plaintext", help="No TLS beyond this machine: a proxy adds it.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json [console]")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error [info]")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Accept plain CoAP, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Announce the addresses as one line of JSON.")] = False,
) -> None:
    """Run the service until Ctrl-C: CoAP over DTLS for devices, REST for operators.

    Devices need credentials: see `lwm2m-ml credentials`.
    """
    from lwm2m_ml.logs import configure_logging

    flags: dict[str, Any] = {
        "data_directory": data_directory,
        "database": database,
        "compile_farm": compile_farm,
        "cluster": cluster,
        "node": node,
        "cluster_credentials": cluster_credentials,
        "cluster_ca": cluster_ca,
        "cluster_certificate": cluster_certificate,
        "cluster_private_key": cluster_private_key,
        "coap_host": coap_host,
        "coap_port": coap_port,
        "coaps_port": coaps_port,
        "dtls_engine": dtls_engine,
        "public_uris": public_uris,
        "oscore": oscore,
        "coap_tcp_port": coap_tcp_port,
        "coaps_tcp_port": coaps_tcp_port,
        "certificate": certificate,
        "private_key": private_key,
        "api_host": api_host,
        "api_port": api_port,
        "api_certificate": api_certificate,
        "api_private_key": api_private_key,
        "api_plaintext": api_plaintext,
        "log_format": log_format,
        "log_level": log_level,
        "insecure": insecure,
    }
    settings = read_settings(**flags)
    from lwm2m_ml.app import serve as serve_until_stopped

    configure_logging(level=settings.log_level, as_json=settings.log_format == "json")
    _run(serve_until_stopped(settings, lambda running: _announce(running, as_json, settings.insecure)))


def _run(work: "Coroutine[Any, Any, None]") -> None:
    """Run on uvloop where the extra [fast] installed it."""
    if importlib.util.find_spec("uvloop") is None:
        asyncio.run(work)
    else:
        importlib.import_module("uvloop").run(work)


def _announce(running: "Running", as_json: bool, insecure: bool) -> None:
    if as_json:
        schemes = {scheme: running.uris.get(scheme) for scheme in ("coap", "coaps", "coap+tcp", "coaps+tcp")}
        typer.echo(json.dumps({"api": running.api, **schemes, "token": running.first_token}))
        return
    typer.echo(f"Devices: {' '.join(running.uris.values())}")
    if insecure:
        typer.echo("Warning: plain CoAP is on; devices without credentials are anyone.", err=True)
    typer.echo(f"API:     {running.api} (described at {running.api}/openapi.json)")
    typer.echo(f"Browser: {running.api} shows the dashboard; log in with an API token")
    if running.first_token:
        typer.echo(f"Admin token, shown this once: {running.first_token}")
        typer.echo(f"  export LWM2M_ML_SERVER={running.api} LWM2M_ML_TOKEN={running.first_token}")
