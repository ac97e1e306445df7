"""What goes on at the server is followed to its end, and a bad end is an exit code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from lwm2m_ml.cli import steering
from lwm2m_ml.cli.steering import Steering
from lwm2m_ml.client.schemas.campaigns import CampaignNote

NO_CLIENT: Any = None


@dataclass
class Run:
    id: str
    state: str
    finished: bool = False


def note(number: int) -> CampaignNote:
    return CampaignNote(number=number, at=float(number), who="anna", text=f"line {number}")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "POLL_SECONDS", 0.0)


def steered(looks: Iterator[Run], asked: list[int], shown: list[Run]) -> Steering[Run]:
    """Tells two lines at each look."""

    def story(_: Any, run_id: str, after: int) -> list[CampaignNote]:
        assert run_id == "r"
        asked.append(after)
        return [note(after + 1), note(after + 2)]

    def command(_: Any, run_id: str, members: dict[str, object]) -> Run:
        raise AssertionError("nothing is commanded")

    return Steering(
        look=lambda _, run_id: next(looks), story=story, command=command, show=lambda run, as_json: shown.append(run)
    )


def test_what_is_waited_for_is_told_line_by_line_once_and_shown_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []
    shown: list[Run] = []
    looks = iter([Run("r", "running"), Run("r", "finished", finished=True)])
    steered(looks, asked, shown).begun(NO_CLIENT, Run("r", "running"), wait=True, as_json=False)
    assert asked == [0, 2]
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [f"anna: line {number}" for number in (1, 2, 3, 4)]
    assert [run.state for run in shown] == ["finished"]


def test_a_bad_end_is_an_exit_code_but_only_for_who_waits() -> None:
    shown: list[Run] = []
    ended = Run("r", "cancelled", finished=True)
    with pytest.raises(typer.Exit) as caught:
        steered(iter([ended]), [], shown).begun(NO_CLIENT, ended, wait=True, as_json=True)
    assert caught.value.exit_code == 1
    steered(iter([]), [], shown).begun(NO_CLIENT, ended, wait=False, as_json=True)
    assert shown == [ended, ended]
