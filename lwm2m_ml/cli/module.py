"""`lwm2m-ml module`: look into module packages (`docs/module-format.md`), check, sign, compare; without a server."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.keys import DirectoryOption, PassphraseOption, open_store
from lwm2m_ml.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lwm2m_ml.module.signing import SigningKey, VerificationKey

app = typer.Typer(help="Module packages: inspect, verify, sign, diff.", no_args_is_help=True)

PackageArgument = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A module package.")]
MAXIMUM_PACKAGE_BYTES = 64 << 20
UNLIMITED = 1 << 40


@app.command("inspect")
def inspect_module(package: PackageArgument, as_json: JsonOption = False) -> None:
    """Show what a package says of itself. Nothing of it is checked: that is `verify`."""
    from lwm2m_ml.cli.package_facts import facts_of, shown
    from lwm2m_ml.module.inspection import inspect_package

    facts = facts_of(inspect_package(_read(package)))
    if as_json:
        print_json(facts)
    else:
        print_table(("FACT", "VALUE"), [(name.replace("_", " "), shown(value)) for name, value in facts.items()])


@app.command("verify")
def verify(
    package: PackageArgument,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", help="Public key in PEM [keys of the data directory]")
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="Vendor identifier of the device, a UUID [as signed]")] = None,
    class_id: Annotated[
        str | None, typer.Option("--class", help="Class identifier of the device, a UUID [as signed]")
    ] = None,
    floor: Annotated[int, typer.Option(min=0, help="The device's sequence floor.")] = 0,
    storage: Annotated[int, typer.Option(min=0, help="Bytes of a slot of the device.")] = UNLIMITED,
    memory: Annotated[int, typer.Option(min=0, help="Bytes of working memory of the device.")] = UNLIMITED,
    abi: Annotated[str, typer.Option(help="Runtime version of the device.")] = "1.0.0",
    base: Annotated[Path | None, typer.Option(help="The image that the device runs, for a delta.")] = None,
    image: Annotated[Path | None, typer.Option(help="Write the verified image there.")] = None,
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a package as a device does; exit code 1, and the device's result, when it refuses."""
    from lwm2m_ml.module.inspection import inspect_package
    from lwm2m_ml.module.manifest import PayloadEncoding
    from lwm2m_ml.module.package import verify_package

    content = _read(package)
    manifest = inspect_package(content).manifest
    anchors = _anchors(trust, data_directory, passphrase_file)
    verified = verify_package(
        content,
        trust_anchors=anchors,
        vendor_id=_identifier(vendor) if vendor else manifest.vendor_id,
        class_id=_identifier(class_id) if class_id else manifest.class_id,
        storage_bytes=storage,
        working_memory_bytes=memory,
        sequence_floor=floor,
        abi=abi,
        formats=range(4),
        encodings=tuple(PayloadEncoding),
        base=_read(base) if base is not None else None,
    )
    if image is not None:
        _write(image, verified.payload)
    model, version, signer = verified.descriptor.model_name, verified.descriptor.model_version, verified.key_id.hex()
    if as_json:
        facts = {"model": model, "version": version, "sequence_number": verified.sequence_number, "key": signer}
        print_json({"good": True, **facts})
    else:
        typer.echo(f"Good: {model} {version}, sequence number {verified.sequence_number}, signed by {signer}")


@app.command("sign")
def sign(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A package, or what `lwm2m-ml compile` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the package.")],
    sequence: Annotated[int, typer.Option(min=1, help="Higher than that of any module the devices confirmed.")],
    vendor: Annotated[str | None, typer.Option(help="Vendor identifier, a UUID; for what was compiled.")] = None,
    class_id: Annotated[
        str | None, typer.Option("--class", help="Class identifier, a UUID; for what was compiled.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model [that of the directory]")] = None,
    model_version: Annotated[str, typer.Option(help="Version of the model.")] = "1.0.0",
    key: Annotated[Path | None, typer.Option(help="Private key in PEM [the active one of the data directory]")] = None,
    data_directory: DirectoryOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a package anew, with another sequence number, or package and sign what was compiled."""
    from lwm2m_ml.cli.compiled_files import descriptor_and_payload
    from lwm2m_ml.errors import UsageError
    from lwm2m_ml.module.inspection import sign_again
    from lwm2m_ml.module.package import build_package

    signer = _signing_key(key, data_directory, passphrase_file)
    if source.is_file():
        signed = sign_again(_read(source), signer, sequence)
    elif vendor is None or class_id is None:
        raise UsageError("A compiled module has no vendor and class yet", hint="Give --vendor and --class, two UUIDs")
    else:
        descriptor, payload = descriptor_and_payload(source, name or source.resolve().name, model_version)
        signed = build_package(
            payload,
            descriptor,
            key=signer,
            vendor_id=_identifier(vendor),
            class_id=_identifier(class_id),
            component=(b"model",),
            sequence_number=sequence,
        )
    _write(output, signed)
    if as_json:
        print_json({"file": str(output), "bytes": len(signed), "key": signer.key_id.hex()})
    else:
        typer.echo(f"{output}: {len(signed):,} B, signed by {signer.key_id.hex()}")


@app.command("diff")
def diff(
    one: PackageArgument,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="The package to compare with.")],
    as_json: JsonOption = False,
) -> None:
    """Show what two packages say differently; exit code 1 when they do."""
    from lwm2m_ml.cli.package_facts import plain, shown
    from lwm2m_ml.module.inspection import differences, inspect_package

    contents = inspect_package(_read(one)), inspect_package(_read(other))
    found = {name: [plain(value) for value in values] for name, values in differences(*contents).items()}
    if as_json:
        print_json(found)
    elif found:
        rows = [(name.replace("_", " "), *map(shown, values)) for name, values in found.items()]
        print_table(("FACT", one.name, other.name), rows)
    else:
        typer.echo("They say the same")
    if found:
        raise typer.Exit(1)


def _anchors(
    trust: "Sequence[Path] | None", data_directory: Path | None, passphrase_file: Path | None
) -> "list[VerificationKey]":
    from lwm2m_ml.module.key_index import KeyState, Purpose
    from lwm2m_ml.module.signing import VerificationKey

    if trust:
        return [VerificationKey.load(path) for path in trust]
    store = open_store(data_directory, passphrase_file)
    return [
        store.verification_key(record)
        for record in store.list()
        if record.purpose is Purpose.MODULES and record.state is not KeyState.REVOKED
    ]


def _signing_key(key: Path | None, data_directory: Path | None, passphrase_file: Path | None) -> "SigningKey":
    from lwm2m_ml.module.signing import SigningKey, read_secret

    if key is None:
        return open_store(data_directory, passphrase_file).signing_key()
    return SigningKey.load(key, read_secret(passphrase_file) if passphrase_file is not None else None)


def _identifier(text: str) -> bytes:
    from lwm2m_ml.errors import UsageError

    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise UsageError(f"{text!r} is no UUID", hint="For example 57c14b27-b95d-55e5-9d5c-4a9f1d2b9a3e") from None


def _read(path: Path) -> bytes:
    from lwm2m_ml.errors import UsageError

    try:
        with path.open("rb") as file:
            content = file.read(MAXIMUM_PACKAGE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > MAXIMUM_PACKAGE_BYTES:
        raise UsageError(f"{path} is larger than {MAXIMUM_PACKAGE_BYTES:,} B")
    return content


def _write(path: Path, content: bytes) -> None:
    from lwm2m_ml.errors import UsageError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror})") from error
