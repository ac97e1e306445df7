"""The journal of a search: what was done is never done again, and time left is told once it was measured."""

from pathlib import Path

import pytest

from lwm2m_ml.compiler.errors import UnreadableSamples
from lwm2m_ml.compiler.shrink.progress import STATE_FILE, Journal, Step

STEPS = (Step("train", "a"), Step("train", "b"), Step("compile", "a"))


def _fail() -> None:
    raise AssertionError("this step was done already")


def test_result_of_a_step_is_kept_over_a_restart(tmp_path: Path) -> None:
    Journal.opened(tmp_path, "x").run(STEPS[0], lambda: {"answer": 42})
    again = Journal.opened(tmp_path, "x")
    assert again.run(STEPS[0], _fail) == {"answer": 42}
    assert again.progress(STEPS).done == 1


def test_interrupted_step_is_done_again(tmp_path: Path) -> None:
    journal = Journal.opened(tmp_path, "x")
    with pytest.raises(KeyboardInterrupt):
        journal.run(STEPS[0], _interrupt)
    assert Journal.opened(tmp_path, "x").run(STEPS[0], lambda: 1) == 1


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_other_search_begins_anew(tmp_path: Path) -> None:
    Journal.opened(tmp_path, "x").run(STEPS[0], lambda: 1)
    assert Journal.opened(tmp_path, "y").results == {}


def test_time_left_is_told_when_every_kind_was_measured(tmp_path: Path) -> None:
    journal = Journal.opened(tmp_path, "x")
    assert journal.progress(STEPS).seconds_left is None
    journal.run(STEPS[0], lambda: 1)
    assert journal.progress(STEPS).seconds_left is None
    journal.run(STEPS[2], lambda: 1)
    journal.seconds["train a"] = 10.0
    left = journal.progress(STEPS)
    assert left.seconds_left == 10.0
    assert left.next_step == "train b"
    journal.run(STEPS[1], lambda: 1)
    assert journal.progress(STEPS).seconds_left == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": "x"}', '{"digest": "x", "results": 1, "seconds": {}}'])
def test_damaged_journal_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableSamples, match=r"shrink\.json is damaged"):
        Journal.opened(tmp_path, "x")


def test_half_written_journal_does_not_replace_a_whole_one(tmp_path: Path) -> None:
    Journal.opened(tmp_path, "x").run(STEPS[0], lambda: 1)
    (tmp_path / "shrink.part").write_text("{", encoding="utf-8")
    assert Journal.opened(tmp_path, "x").results == {"train a": 1}
