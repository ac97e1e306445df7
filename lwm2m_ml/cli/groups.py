"""`lwm2m-ml groups`: devices picked by a filter, and the tags that filters may ask for."""

from typing import Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_done, print_json, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="Groups of devices, each a name for a filter.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the group.")]


@app.command("list")
def list_groups(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the groups and how many devices belong to each now."""
    with connect(server, token) as client:
        found = client.groups()
    if as_json:
        print_models(found)
        return
    print_table(("GROUP", "FILTER", "DEVICES"), [(one.name, one.filter, len(one.members)) for one in found])


@app.command("show")
def show(
    name: NameArgument, server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Show which registered devices belong to a group now."""
    with connect(server, token) as client:
        found = client.group(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    typer.echo(f"Group {found.name}: {found.filter or 'everybody'}")
    for endpoint in found.members:
        typer.echo(endpoint)


@app.command("add")
def add(
    name: NameArgument,
    filter: Annotated[str, typer.Option("--filter", help="Such as 'target=nrf52840 storage_free>=20000 tag=oslo'.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a filter a name."""
    with connect(server, token, dry_run=dry_run) as client:
        made = client.add_group(name, filter)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        typer.echo(f"Group {made.name}: {len(made.members)} registered devices")


@app.command("remove")
def remove(
    name: NameArgument,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forget a group; nothing happens to its devices."""
    with connect(server, token, dry_run=dry_run) as client:
        client.remove_group(name)
    print_done(as_json)


@app.command("tag")
def tag(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")],
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to give; with a hyphen before: to take.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give tags to a device (`oslo`), and take others away (`-- -bergen`)."""
    add = [one for one in tags if not one.startswith("-")]
    remove = [one.removeprefix("-") for one in tags if one.startswith("-")]
    with connect(server, token, dry_run=dry_run) as client:
        tagged = client.tag_device(endpoint, add, remove)
    if as_json:
        print_json(tagged.model_dump(mode="json"))
    else:
        typer.echo(" ".join(tagged.tags))
