"""`lwm2m-ml profiles`: servers by name, with their tokens, in a file of this user."""

from pathlib import Path
from typing import Annotated

import typer

from lwm2m_ml.cli import profile_file
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_table
from lwm2m_ml.errors import UsageError

app = typer.Typer(help="Servers by name, with their tokens, in a file that only you may read.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]
PreviewOption = Annotated[bool, typer.Option("--dry-run", help="Check what was given, and keep nothing.")]


@app.command("add")
def add(
    name: NameArgument,
    server: Annotated[str, typer.Option("--server", help="URL of the server.")],
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the API token; - for stdin [asked for]")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="PEM of authorities to trust it by.")] = (None),
    dry_run: PreviewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add a profile, or put another in its place; the first one is used from then on."""
    from lwm2m_ml.client.transport import base_url, options

    base_url(server)
    options(str(ca_file or ""))
    profile = profile_file.Profile(server, _token(token_file), "" if ca_file is None else str(ca_file.resolve()))
    if not dry_run:
        profile_file.save(profile_file.load().with_profile(name, profile))
    print_done(as_json, profile=name, dry_run=dry_run)


@app.command("list")
def list_profiles(as_json: JsonOption = False) -> None:
    """List the profiles, without tokens."""
    profiles = profile_file.load()
    rows = [
        (name, profile.server, bool(profile.token), name == profiles.current)
        for name, profile in sorted(profiles.by_name.items())
    ]
    columns = ("name", "server", "token", "in_use")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(tuple(column.upper().replace("_", " ") for column in columns), rows)


@app.command("use")
def use(name: NameArgument, dry_run: PreviewOption = False, as_json: JsonOption = False) -> None:
    """Use a profile from now on, where no other is named."""
    profiles = profile_file.load()
    profiles.get(name)
    if not dry_run:
        profile_file.save(profile_file.Profiles(name, profiles.by_name))
    print_done(as_json, profile=name, dry_run=dry_run)


@app.command("remove")
def remove(name: NameArgument, dry_run: PreviewOption = False, as_json: JsonOption = False) -> None:
    """Forget a profile and its token."""
    left = profile_file.load().without(name)
    if not dry_run:
        profile_file.save(left)
    print_done(as_json, profile=name, dry_run=dry_run)


def _token(file: Path | None) -> str:
    """The token from a file or from stdin, or as it is typed, unseen: never an argument that others could list."""
    if file is None:
        return str(typer.prompt("API token", hide_input=True, err=True)).strip()
    if str(file) == "-":
        return typer.get_text_stream("stdin").read().strip()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error})") from error
