"""`lwm2m-ml encryption-keys`: devices that get their modules encrypted."""

import string
from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

app = typer.Typer(help="Keys of devices that get their modules encrypted.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")]
PUBLIC_KEY_BYTES, SHARED_KEY_BYTES = 32, 16


@app.command("add")
def add(
    endpoint: EndpointArgument,
    public_key: Annotated[Path, typer.Argument(metavar="FILE", help="X25519 public key in PEM, DER or hexadecimal.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Encrypt every module for a device from now on, for its public key (ECDH-ES+A128KW)."""
    from lwm2m_ml.client.delivery_calls import add_encryption_key

    call = add_encryption_key(endpoint, _public_key(public_key))
    with connect(server, token, dry_run=dry_run) as client:
        added = client.send(call)
    if as_json:
        print_json(added.model_dump(mode="json"))
    else:
        typer.echo(f"Modules for {added.endpoint} are encrypted for key {added.key_id}")


@app.command("share")
def share(
    endpoint: EndpointArgument,
    key_file: Annotated[Path | None, typer.Option(help="File with the key in hexadecimal [made up]")] = None,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Encrypt every module for a device from now on, with a key that it shares with the server (A128KW).

    A key that is made up is shown, this once.
    """
    from lwm2m_ml.client.delivery_calls import share_encryption_key

    call = share_encryption_key(endpoint, None if key_file is None else _shared_key(key_file))
    with connect(server, token, dry_run=dry_run) as client:
        shared = client.send(call)
    if as_json:
        print_json(shared.model_dump(mode="json"))
        return
    typer.echo(f"Modules for {shared.endpoint} are encrypted with key {shared.key_id}")
    if shared.key is not None:
        typer.echo(f"Give the device this key; it is shown this once: {shared.key}")


@app.command("list")
def list_keys(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the devices that get their modules encrypted."""
    from lwm2m_ml.client.delivery_calls import encryption_keys

    with connect(server, token) as client:
        found = client.send_all(encryption_keys())
    if as_json:
        print_models(found)
    else:
        rows = [(one.endpoint, one.algorithm, one.key_id, one.public_key or "") for one in found]
        print_table(("ENDPOINT", "ALGORITHM", "KEY", "PUBLIC KEY"), rows)


@app.command("remove")
def remove(
    endpoint: EndpointArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send a device its modules in plain again."""
    from lwm2m_ml.client.delivery_calls import remove_encryption_key

    with connect(server, token, dry_run=dry_run) as client:
        client.send(remove_encryption_key(endpoint))
    print_done(as_json)


def _public_key(path: Path) -> str:
    """The 32 bytes of a key in a file, in hexadecimal."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    content = _read(path)
    text = _hexadecimal(content, PUBLIC_KEY_BYTES)
    if text is not None:
        return text
    try:
        key = load_pem_public_key(content) if content.startswith(b"-----") else load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise UsageError(f"{path} is no X25519 public key", hint="Make one with: openssl genpkey -algorithm x25519")
    return key.public_bytes_raw().hex()


def _shared_key(path: Path) -> str:
    """The 16 bytes of a key in a file, in hexadecimal."""
    text = _hexadecimal(_read(path), SHARED_KEY_BYTES)
    if text is None:
        raise UsageError(f"{path} holds no key of {SHARED_KEY_BYTES} bytes in hexadecimal", hint="openssl rand -hex 16")
    return text


def _hexadecimal(content: bytes, size: int) -> str | None:
    text = content.strip()
    digits = string.hexdigits.encode()
    return text.decode("ascii").lower() if len(text) == 2 * size and all(one in digits for one in text) else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
