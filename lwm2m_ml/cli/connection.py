"""How online commands find the server: flags, then environment variables, then the profile in use."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli import profile_file

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client

CA_VARIABLE = "LWM2M_ML_CA_FILE"


def _server(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """The profile's server where neither a flag nor a variable names one."""
    source = context.get_parameter_source(parameter.name or "")
    profile = profile_file.load().chosen if source is not None and source.name == "DEFAULT" else None
    return value if profile is None else profile.server


ServerOption = Annotated[
    str,
    typer.Option(
        "--server", envvar="LWM2M_ML_SERVER", help="URL of the running server.", show_default=True, callback=_server
    ),
]
TokenOption = Annotated[str, typer.Option("--token", envvar="LWM2M_ML_TOKEN", help="API token.", show_default=False)]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say in JSON what would be asked of the server, and change nothing.")
]


def connect(server: str, token: str, *, dry_run: bool = False) -> "Client":
    """A client of the server; a profile's token is shown to the profile's server only.

    The client is imported here so that `--help` stays fast.
    """
    from lwm2m_ml.cli.dry_run import CautiousClient
    from lwm2m_ml.client.client import Client

    profile = profile_file.load().chosen
    if profile is not None and profile.server == server:
        token, ca_file = token or profile.token, profile.ca_file
    else:
        ca_file = ""
    kind = CautiousClient if dry_run else Client
    return kind(server, token, ca_file=os.environ.get(CA_VARIABLE, "") or ca_file)
