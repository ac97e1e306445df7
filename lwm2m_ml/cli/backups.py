"""`lwm2m-ml backups`: the installation in one file, and back; works beside a running server."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.output import JsonOption, moment, print_facts, print_json
from lwm2m_ml.cli.settings import read_settings

if TYPE_CHECKING:
    from lwm2m_ml.backup import Backup

app = typer.Typer(help="Back up the installation with all its secrets, and restore it.", no_args_is_help=True)

DirectoryOption = Annotated[
    Path | None, typer.Option("--data-directory", help="Where the server keeps its data.", show_default=False)
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@app.command("create")
def create(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it [by the time, in this directory]")
    ] = None,
    data_directory: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write database and keys as they are at this moment into a file that only you may read."""
    from lwm2m_ml import backup

    target = file or Path(f"lwm2m-ml-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    _print(backup.create(read_settings(data_directory=data_directory), target), target, as_json)


@app.command("show")
def show(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check a backup, every byte of it, and show what it holds."""
    from lwm2m_ml import backup

    _print(backup.inspect(file), file, as_json)


@app.command("restore")
def restore(
    file: FileArgument,
    data_directory: DirectoryOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the backup, and restore nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the installation anew, in a directory that is not there or empty; start the server on it then."""
    from lwm2m_ml import backup

    directory = read_settings(data_directory=data_directory).data_directory
    restored = backup.inspect(file) if dry_run else backup.restore(file, directory)
    _print(restored, file, as_json)
    if not dry_run:
        typer.echo(f"Restored in {directory}", err=True)


def _print(backup: "Backup", file: Path, as_json: bool) -> None:
    facts = {"file": str(file), "release": backup.release, "revision": backup.revision, "made_at": backup.made_at}
    if as_json:
        print_json(facts | {"files": backup.files})
    else:
        print_facts(facts | {"made_at": moment(backup.made_at), "files": len(backup.files)})
