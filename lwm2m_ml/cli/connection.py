"""How online commands find the server: `--server` and `--token`, or their environment variables."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client

ServerOption = Annotated[
    str, typer.Option("--server", envvar="LWM2M_ML_SERVER", help="URL of the running server.", show_default=True)
]
TokenOption = Annotated[str, typer.Option("--token", envvar="LWM2M_ML_TOKEN", help="API token.", show_default=False)]


def connect(server: str, token: str) -> "Client":
    """A client of the server; imported here so that `--help` stays fast."""
    from lwm2m_ml.client.client import Client

    return Client(server, token)
