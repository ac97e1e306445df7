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
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check, say in JSON what would be changed, and change nothing.")
]
SECONDS_PER_DAY = 86_400


@app.command("new")
def new(
    root: Annotated[bool, typer.Option("--root", help="A root key: it signs trust lists and nothing else.")] = False,
    algorithm: AlgorithmOption = "eddsa",
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a key; refused while there is an active one, which `rotate` replaces."""
    from lwm2m_ml.module.key_index import Purpose

    store = open_store(data_directory, passphrase_file, dry_run=dry_run)
    purpose, chosen = Purpose.ROOT if root else Purpose.MODULES, _algorithm(algorithm)
    if dry_run:
        store.check_no_active(purpose)
        new_key = {"purpose": purpose, "algorithm": chosen.name}
        print_json({"dry_run": True, "new_key": new_key, "published": root or _has_root(store)})
        return
    _tell(store, store.new(purpose, chosen), as_json)


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
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the key that signs modules."""
    store = open_store(data_directory, passphrase_file, dry_run=dry_run)
    chosen, seconds = _algorithm(algorithm) if algorithm is not None else None, int(overlap * SECONDS_PER_DAY)
    if dry_run:
        old = store.retired(seconds)
        new_key = {"purpose": old.purpose, "algorithm": old.algorithm if chosen is None else chosen.name}
        changes = {"changed_key": _document(old), "new_key": new_key}
        print_json({"dry_run": True, **changes, "published": _has_root(store)})
        return
    _tell(store, store.rotate(seconds, chosen), as_json)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's identifier, or six digits or more of it.")],
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Refuse for ever what a key signed, on every device that gets the new trust list."""
    store = open_store(data_directory, passphrase_file, dry_run=dry_run)
    if dry_run:
        revoked, left = _document(store.revoked(key)), _has_root(store, but=store.find(key))
        print_json({"dry_run": True, "changed_key": revoked, "published": left})
        return
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
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sign a trust list with the root key, or publish one that was signed elsewhere, for devices to get."""
    from lwm2m_ml.errors import UsageError
    from lwm2m_ml.module.key_store import KeyStore

    store = open_store(data_directory, passphrase_file, dry_run=dry_run)
    others = None if of is None else KeyStore(of, b"", time.time)
    if dry_run:
        _would_publish(store, publish, others)
        return
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


def open_store(
    data_directory: Path | None, passphrase_file: Path | None = None, *, dry_run: bool = False
) -> "KeyStore":
    """The key store of a server's data directory, made if need be unless it is a dry run; raises KeyFileError."""
    from lwm2m_ml.config import Settings
    from lwm2m_ml.module.key_folder import look_into_key_store, open_key_store

    opening = look_into_key_store if dry_run else open_key_store
    return opening(data_directory or Settings().data_directory, passphrase_file)


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


def _has_root(store: "KeyStore", but: "KeyRecord | None" = None) -> bool:
    """Whether an active root key is at hand that is not `but`: devices are told of a change at once then."""
    from lwm2m_ml.module.key_index import Purpose

    active = store.find_active(Purpose.ROOT)
    return active is not None and active != but


def _would_publish(store: "KeyStore", signed: Path | None, others: "KeyStore | None") -> None:
    """Show the trust list that would be published; raises what signing it would."""
    from lwm2m_ml.module.key_index import Purpose
    from lwm2m_ml.module.trust_list import TrustList

    if signed is not None:
        listed = TrustList.peek(_read(signed))
    else:
        store.signing_key(Purpose.ROOT)
        listed = store.next_trust_list(others)
    keys, revoked = [entry.key.key_id.hex() for entry in listed.keys], [key_id.hex() for key_id in listed.revoked]
    print_json({"dry_run": True, "version": listed.version, "keys": keys, "revoked": revoked, "published": True})


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
