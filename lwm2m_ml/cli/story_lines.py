"""Stories of campaigns and federated runs, line by line."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from lwm2m_ml.cli.output import print_json_line

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas.campaigns import CampaignNote
    from lwm2m_ml.client.schemas.federated import FederatedNote


def print_story(notes: "Iterable[CampaignNote | FederatedNote]", after: int, *, as_json: bool) -> int:
    """Print the lines that came after a number; returns the last one's number."""
    for note in notes:
        after = note.number
        if as_json:
            print_json_line(note.model_dump(mode="json"))
        else:
            moment = datetime.fromtimestamp(note.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            typer.echo(f"{moment}  {note.who}: {note.text}")
    return after
