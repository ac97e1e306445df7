"""Results drawn by hour."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from lwm2m_ml.cli.result_plot import draw_results
from lwm2m_ml.client.schemas.monitoring import ClassHour
from lwm2m_ml.errors import UsageError

pytest.importorskip("matplotlib", reason="pictures need the [draw] extra")

HOURS = [
    ClassHour(
        hour=3600 * hour,
        model="digits",
        version="1.0.0",
        class_index=number,
        results=10 + hour,
        lost=0,
        confidence=90.0,
        latency=None if hour == 2 else 1.5,
        largest_latency=2.0,
        energy=None,
    )
    for hour in range(5)
    for number in (-1, 3)
]


def test_the_picture_names_classes_and_model(tmp_path: Path) -> None:
    draw_results("device", HOURS, tmp_path / "results.svg")
    text = (tmp_path / "results.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own file
    for label in ("no decision", "class 3", "digits 1.0.0", "device"):
        assert f"<!-- {label} -->" in text


def test_png_by_the_name_of_the_file(tmp_path: Path) -> None:
    draw_results("device", HOURS, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_without_latencies_there_is_a_picture_too(tmp_path: Path) -> None:
    draw_results("device", [one for one in HOURS if one.latency is None], tmp_path / "results.png")
    assert (tmp_path / "results.png").exists()


@pytest.mark.parametrize("name", ["results.txt", "missing/results.png"])
def test_a_file_that_cannot_be_is_wrong_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        draw_results("device", HOURS, tmp_path / name)
