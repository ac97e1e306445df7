"""`lwm2m-ml credentials`: what devices prove themselves with."""

import csv
import datetime
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lwm2m_ml.client.schemas.credentials import CredentialRequest, IssuedCredential

app = typer.Typer(
    help="Credentials of devices: keys, certificates and OSCORE contexts. Needs an admin token.", no_args_is_help=True
)

CredentialArgument = Annotated[str, typer.Argument(metavar="ID", help="The credential's id, from `credentials list`.")]


class Kind(StrEnum):
    """How a device proves itself."""

    PSK = "psk"
    RPK = "rpk"
    X509 = "x509"
    OSCORE = "oscore"


@app.command("add")
def add(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")],
    kind: Annotated[Kind, typer.Option(help="What to make.")] = Kind.PSK,
    identity: Annotated[str | None, typer.Option(help="PSK identity [made up]")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with the key in hexadecimal [made up]")] = None,
    public_key: Annotated[Path | None, typer.Option(help="PEM of the device's raw public key [made up]")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM of the device or its issuer [made up]")] = None,
    usage: Annotated[int | None, typer.Option(min=0, max=3, help="LwM2M certificate usage [3]")] = None,
    authorities: Annotated[Path | None, typer.Option(help="PEM of roots, for usages 0 and 1.")] = None,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a credential and show its secret, this once. What is not given is made up."""
    secret_name = "master_secret" if kind is Kind.OSCORE else "key"
    given = {
        "identity": identity,
        secret_name: _read(key_file),
        "public_key": _read(public_key),
        "certificate": _read(certificate),
        "usage": usage,
        "authorities": _read(authorities),
    }
    request = _request({"endpoint": endpoint, "kind": kind.value, **given}, "The credential")
    with connect(server, token, dry_run=dry_run) as client:
        _show([client.add_credential(request)], as_json)


@app.command("list")
def list_credentials(
    endpoint: Annotated[str | None, typer.Argument(metavar="[ENDPOINT]", help="Of this endpoint only.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List credentials, without secrets."""
    with connect(server, token) as client:
        found = client.credentials(endpoint)
    if as_json:
        print_models(found)
        return
    rows = [
        (one.id, one.endpoint, one.kind, one.identity, one.origin, _state(one.expires_at, one.revoked_at))
        for one in found
    ]
    print_table(("ID", "ENDPOINT", "KIND", "IDENTITY", "ORIGIN", "STATE"), rows)


@app.command("rotate")
def rotate(
    credential_id: CredentialArgument,
    grace: Annotated[float, typer.Option(help="Seconds that the old one stays good unless the new one is used.")] = (
        86_400.0
    ),
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a credential in place of another and show its secret, this once."""
    with connect(server, token, dry_run=dry_run) as client:
        _show([client.rotate_credential(credential_id, grace)], as_json)


@app.command("revoke")
def revoke(
    credential_id: CredentialArgument,
    forget: Annotated[bool, typer.Option("--forget", help="Keep no trace: the endpoint may come in plain again.")] = (
        False
    ),
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let nobody in with a credential any more; its device is cut off at once."""
    with connect(server, token, dry_run=dry_run) as client:
        client.revoke_credential(credential_id, forget=forget)
    print_done(as_json)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or a JSON list; columns: endpoint, kind, identity…")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make many credentials from a file, all or none; shows the secrets of those that were made up."""
    requests = _requests(file)
    with connect(server, token, dry_run=dry_run) as client:
        issued = client.import_credentials(requests)
    _show(issued, as_json)


@app.command("server-certificate")
def server_certificate(
    server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Print the certificate that devices are shown, as PEM."""
    with connect(server, token) as client:
        certificate = client.server_certificate()
    if as_json:
        print_json(certificate.model_dump())
    else:
        typer.echo(certificate.pem, nl=False)


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error})") from error


def _requests(file: Path) -> "Sequence[CredentialRequest]":
    text = _read(file) or ""
    try:
        rows = json.loads(text) if text.startswith("[") else list(csv.DictReader(text.splitlines()))
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{file} is neither CSV with a header nor a JSON list") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{file} holds no credentials", hint="Write CSV with a header, or a JSON list of objects")
    return [_request(row, f"{file}, entry {number}") for number, row in enumerate(rows, start=1)]


def _request(row: "Mapping[str, object]", where: str) -> "CredentialRequest":
    from pydantic import ValidationError

    from lwm2m_ml.client.schemas.credentials import CredentialRequest

    try:
        return CredentialRequest.model_validate(
            {name: value for name, value in row.items() if value is not None and value != ""}
        )
    except ValidationError as error:
        # Only the place and the reason: the input holds keys.
        first = error.errors(include_input=False)[0]
        raise UsageError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _show(issued: "Sequence[IssuedCredential]", as_json: bool) -> None:
    if as_json:
        print_json([{**one.credential.model_dump(), "secret": one.secret} for one in issued])
        return
    for one in issued:
        typer.echo(
            f"{one.credential.kind} credential {one.credential.id} of {one.credential.endpoint}, shown this once:"
        )
        for name, value in one.secret.items():
            separator = "\n" if "\n" in value else " "
            typer.echo(f"  {name.replace('_', ' ')}:{separator}{value.rstrip()}")


def _state(expires_at: float | None, revoked_at: float | None) -> str:
    if revoked_at is not None:
        return "revoked"
    if expires_at is None:
        return "good"
    return f"good until {datetime.datetime.fromtimestamp(expires_at):%Y-%m-%d %H:%M}"
