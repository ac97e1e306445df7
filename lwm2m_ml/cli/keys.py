"""`lwm2m-ml keys`: the keys that sign modules, in a server's data directory; works without a server.

A running server signs with what it finds there from then on, and tells devices by the trust list.
"""

import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from lwm2m_ml.module.key_index import KeyRecord
    from lwm2m_ml.module.key_store import KeyStore
    from lwm2m_ml.module.signing import Algorithm

app = typer.Typer(help="Keys that sign modules, and the list of them that devices trust.", no_args_is_help=True)

DirectoryOption = Annotated[
    Path | None, typer.Option("--data-directory", help="Where the server keeps its data.", show_default=False)
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File with the keys' passphrase [signing-key.secret]", show_default=False),
]
AlgorithmOption = Annotated[str, typer.Option(help="eddsa (Ed25519) or es256 (ECDSA with P-256).")]
SECONDS_PER_DAY = 86_400


@app.command("new")
def new(
    root: Annotated[bool, typer.Option("--root", help="A root key: it signs trust lists and nothing else.")] = False,
    algorithm: AlgorithmOption = "eddsa",
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; refused while there is an active one, which `rotate` replaces."""
    from lwm2m_ml.module.key_index import Purpose

    store = open_store(data_directory, passphrase_file)
    record = store.new(Purpose.ROOT if root else Purpose.MODULES, _algorithm(algorithm))
    _tell(store, record, as_json)


@app.command("list")
def list_keys(
    data_directory: DirectoryOption = None, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """List the keys, oldest first."""
    records = open_store(data_directory, passphrase_file).list()
    if as_json:
        print_json([_document(record) for record in records])
        return
    rows = [
        (one.key_id[:16], str(one.purpose), one.algorithm, str(one.state), _day(one.created), _day(one.valid_until))
        for one in records
    ]
    print_table(("KEY", "SIGNS", "ALGORITHM", "STATE", "MADE", "ACCEPTED UNTIL"), rows)


@app.command("rotate")
def rotate(
    overlap: Annotated[float, typer.Option(min=0, help="Days that the old key's modules stay accepted.")] = 30.0,
    algorithm: Annotated[str | None, typer.Option(help="Of the new key [as the old one]")] = None,
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the key that signs modules."""
    store = open_store(data_directory, passphrase_file)
    chosen = _algorithm(algorithm) if algorithm is not None else None
    _tell(store, store.rotate(int(overlap * SECONDS_PER_DAY), chosen), as_json)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's identifier, or six digits or more of it.")],
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse for ever what a key signed, on every device that gets the new trust list."""
    store = open_store(data_directory, passphrase_file)
    _tell(store, store.revoke(key), as_json)


@app.command("trust-list")
def trust_list(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the list there.")] = None,
    publish: Annotated[
        Path | None, typer.Option(help="Publish this list, which was signed where the root key is.")
    ] = None,
    of: Annotated[
        Path | None, typer.Option(help="A copy of the server's folder `keys`, where the root key is not; no secret.")
    ] = None,
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a trust list with the root key, or publish one that was signed elsewhere, for devices to get."""
    from lwm2m_ml.errors import UsageError
    from lwm2m_ml.module.key_store import KeyStore

    store = open_store(data_directory, passphrase_file)
    others = None if of is None else KeyStore(of, b"", time.time)
    signed = _read(publish) if publish is not None else store.trust_list(others)
    store.keep_trust_list(signed)
    if output is not None:
        try:
            output.write_bytes(signed)
        except OSError as error:
            raise UsageError(f"{output} cannot be written ({error.strerror})") from error
    if as_json:
        print_json({"published": True, "bytes": len(signed)})
    else:
        typer.echo(f"Published, {len(signed):,} B; a running server sends it to every device that has an older one")


def open_store(data_directory: Path | None, passphrase_file: Path | None = None) -> "KeyStore":
    """The key store of a server's data directory; raises KeyFileError."""
    from lwm2m_ml.config import Settings
    from lwm2m_ml.module.key_folder import open_key_store

    return open_key_store(data_directory or Settings().data_directory, passphrase_file)


def _tell(store: "KeyStore", record: "KeyRecord", as_json: bool) -> None:
    """Show the key; let devices know by a new trust list where the root key is at hand."""
    if as_json:
        print_json(_document(record))
    else:
        typer.echo(f"{record.key_id}  {record.purpose}  {record.state}")
    if store.publish_trust_list() is not None:
        typer.echo("A new trust list is published; a running server sends it to its devices", err=True)
    else:
        typer.echo(
            "No root key here: sign a trust list where it is, then `lwm2m-ml keys trust-list --publish FILE`", err=True
        )


def _document(record: "KeyRecord") -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _algorithm(name: str) -> "Algorithm":
    from lwm2m_ml.errors import UsageError
    from lwm2m_ml.module.signing import Algorithm

    try:
        return Algorithm[name.upper()]
    except KeyError:
        raise UsageError(f"{name!r} is no signature algorithm", hint="Give eddsa or es256") from None


def _read(path: Path) -> bytes:
    from lwm2m_ml.errors import UsageError

    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error


def _day(moment: int | None) -> str | None:
    return None if moment is None else f"{datetime.datetime.fromtimestamp(moment):%Y-%m-%d %H:%M}"
