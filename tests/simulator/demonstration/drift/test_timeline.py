"""Moments and tallies of the story, and their picture."""

from pathlib import Path

import pytest

from lwm2m_ml_simulator.demonstration.drift.drawing import draw
from lwm2m_ml_simulator.demonstration.drift.timeline import Moment, Tally, Timeline, share


def test_the_share_of_right_results_weighs_each_result_alike() -> None:
    assert share([Tally(2.0, 0, 30), Tally(3.0, 5, 10)]) == pytest.approx(5 / 40)
    assert share([]) is None


def test_nothing_is_counted_where_nothing_came() -> None:
    timeline = Timeline()
    timeline.count(0, 0)
    assert timeline.tallies == []
    timeline.count(3, 4)
    assert timeline.tell("it happened").at >= timeline.tallies[0].at >= 0.0


def test_the_picture_names_what_happened(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the [draw] extra")

    timeline = Timeline(
        moments=[Moment(1.0, "drift begins"), Moment(1.1, "alarm")],
        tallies=[Tally(float(at), 5, 10) for at in range(5)],
    )
    draw(timeline, tmp_path / "story.svg")
    text = (tmp_path / "story.svg").read_text()
    assert "drift begins" in text
    assert "alarm" in text
