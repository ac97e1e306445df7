"""The drawing of a plan: well-formed, with one rectangle for each buffer, whatever the buffers are called."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from lwm2m_ml.compiler.backends.interface import ArenaBuffer
from lwm2m_ml.compiler.memory.drawing import draw_plan
from lwm2m_ml.errors import MissingExtraError, UsageError

BUFFERS = (
    ArenaBuffer("input", 0, 100, 0, 1),
    ArenaBuffer("scratch of a", 100, 28, 1, 1),
    ArenaBuffer('<script>"&\x00\x1b', 0, 60, 1, 3),
)
_SVG = "{http://www.w3.org/2000/svg}"


def test_every_buffer_is_a_rectangle_with_its_facts() -> None:
    root = ElementTree.fromstring(draw_plan(BUFFERS, 3, 128, ".svg"))  # noqa: S314 - our own drawing
    titles = [title.text or "" for title in root.iter(f"{_SVG}title")]
    assert len(titles) == len(BUFFERS)
    assert "input: 100 bytes at 0, steps 0 to 1" in titles
    assert any(title.startswith('<script>"&??') for title in titles)


def test_rectangles_lie_as_the_buffers_do() -> None:
    root = ElementTree.fromstring(draw_plan(BUFFERS[:2], 3, 128, ".SVG"))  # noqa: S314 - our own drawing
    boxes = [box.attrib for box in root.iter(f"{_SVG}rect") if "x" in box.attrib]
    low, high = boxes
    assert float(high["y"]) + float(high["height"]) == pytest.approx(float(low["y"]), abs=0.2)
    assert float(low["width"]) == pytest.approx(2 * float(high["width"]), abs=0.2)


def test_png_is_a_png() -> None:
    pytest.importorskip("PIL")
    assert draw_plan(BUFFERS, 3, 128, ".png").startswith(b"\x89PNG\r\n")


def test_png_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingExtraError, match="draw"):
        draw_plan(BUFFERS, 3, 128, ".png")


def test_other_suffix_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        draw_plan(BUFFERS, 3, 128, Path("plan.gif").suffix)
