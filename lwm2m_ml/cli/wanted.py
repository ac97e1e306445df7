"""Which model is meant for which devices: the options that campaigns and federated runs begin with."""

from typing import Annotated, Any

import typer

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model of the zoo: NAME, or NAME:VERSION or alias.")
]
ToOption = Annotated[str, typer.Option("--to", help="Endpoints, separated by commas; instead of --group or --filter.")]
GroupOption = Annotated[str, typer.Option("--group", help="A group; see `lwm2m-ml groups`.")]
FilterOption = Annotated[str, typer.Option("--filter", help="A filter such as 'target=nrf52840 tag=oslo'.")]


def wanted(model: str, to: str, group: str, filter: str) -> dict[str, Any]:
    """The members of a request that say what was written; what is empty was not, and means every device."""
    name, _, version = model.partition(":")
    return {
        "model": name,
        "version": version or None,
        "endpoints": [one.strip() for one in to.split(",") if one.strip()] or None,
        "group": group or None,
        "filter": filter or None,
    }
