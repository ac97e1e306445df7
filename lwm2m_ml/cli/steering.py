"""What goes on by itself at the server, campaigns and federated runs: shown, followed line by line, and commanded."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Generic, Protocol, TypeVar

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json_line
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas.campaigns import CampaignNote
    from lwm2m_ml.client.schemas.federated import FederatedNote

POLL_SECONDS = 0.5
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="What `start` printed, see `list`.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the story.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow the story until it is over.")]


class Steered(Protocol):
    """A campaign or a federated run."""

    id: str
    state: str
    finished: bool


Run = TypeVar("Run", bound=Steered)


@dataclass(frozen=True, slots=True)
class Steering(Generic[Run]):
    """How the client is asked for one, for its story after a number, and to command it; and how it is shown."""

    look: "Callable[[Client, str], Run]"
    story: "Callable[[Client, str, int], Iterable[CampaignNote | FederatedNote]]"
    command: "Callable[[Client, str, dict[str, object]], Run]"
    show: Callable[[Run, bool], None]

    def begun(self, client: "Client", run: Run, *, wait: bool, as_json: bool) -> None:
        """Show what was begun; with `wait` once it is over, and then it has to have ended well."""
        if wait:
            run = self._follow(client, run.id, as_json=as_json)
        self.show(run, as_json)
        if wait and run.state != "finished":
            raise typer.Exit(1)

    def add_show(self, app: typer.Typer, text: str) -> None:
        """Add the command that shows one."""

        @app.command("show", help=text)
        def show(
            run_id: IdArgument,
            server: ServerOption = DEFAULT_SERVER,
            token: TokenOption = "",
            as_json: JsonOption = False,
        ) -> None:
            with connect(server, token) as client:
                self.show(self.look(client, run_id), as_json)

    def add_story(self, app: typer.Typer, text: str) -> None:
        """Add the command that tells a story."""

        @app.command("story", help=text)
        def story(
            run_id: IdArgument,
            follow: Annotated[bool, typer.Option("--follow", help="Go on until it is over.")] = False,
            server: ServerOption = DEFAULT_SERVER,
            token: TokenOption = "",
            as_json: JsonOption = False,
        ) -> None:
            with connect(server, token) as client:
                if follow:
                    self._follow(client, run_id, as_json=as_json)
                else:
                    self._tell(client, run_id, 0, as_json=as_json)

    def add_command(self, app: typer.Typer, name: str, text: str) -> None:
        """Add one that commands without options of its own."""

        @app.command(name, help=text)
        def command(
            run_id: IdArgument,
            reason: ReasonOption = "",
            dry_run: DryRunOption = False,
            server: ServerOption = DEFAULT_SERVER,
            token: TokenOption = "",
            as_json: JsonOption = False,
        ) -> None:
            with connect(server, token, dry_run=dry_run) as client:
                self.show(self.command(client, run_id, {"command": name, "reason": reason}), as_json)

    def _follow(self, client: "Client", run_id: str, *, as_json: bool) -> Run:
        """Tell the story as it happens, until it is over."""
        last = 0
        while True:
            found = self.look(client, run_id)
            last = self._tell(client, run_id, last, as_json=as_json)
            if found.finished:
                return found
            time.sleep(POLL_SECONDS)

    def _tell(self, client: "Client", run_id: str, after: int, *, as_json: bool) -> int:
        """Print the lines that came after a number; returns the last one's number."""
        for note in self.story(client, run_id, after):
            after = note.number
            if as_json:
                print_json_line(note.model_dump(mode="json"))
            else:
                moment = datetime.fromtimestamp(note.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
                typer.echo(f"{moment}  {note.who}: {note.text}")
        return after
