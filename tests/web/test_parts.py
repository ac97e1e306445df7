"""What pages are made of, as far as it needs no browser."""

import io
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.client.schemas import ArenaBuffer, ExplainedLayer, Explanation, Model, Variant
from lwm2m_ml.client.schemas.monitoring import Alarm
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.web.parts.arrays import array_in
from lwm2m_ml.web.parts.digit import DOTS, pixels
from lwm2m_ml.web.parts.drift import drift_options
from lwm2m_ml.web.parts.memory_plan import memory_plan
from lwm2m_ml.web.parts.pareto import front_of, points_of


def dots(*inked: tuple[int, int]) -> str:
    return "".join("1" if (row, column) in inked else "0" for row in range(DOTS) for column in range(DOTS))


def test_nothing_drawn_is_no_picture() -> None:
    assert pixels(dots()) == []


def test_a_drawing_fills_the_picture_wherever_it_was_drawn() -> None:
    small = dots(*((row, column) for row in range(4, 8) for column in range(20, 24)))
    assert pixels(small) == [1.0] * 64
    assert pixels("1" * DOTS * DOTS) == [1.0] * 64


def test_a_stroke_stands_upright_in_the_middle() -> None:
    stroke = dots(*((row, 5) for row in range(32)), *((row, 6) for row in range(32)))
    picture = pixels(stroke)
    columns = [sum(picture[row * 8 + column] for row in range(8)) for column in range(8)]
    assert sum(columns[3:5]) == sum(columns)
    assert max(picture) > 0


@given(st.text("01", min_size=DOTS * DOTS, max_size=DOTS * DOTS))
def test_pixels_are_always_64_shares(drawn: str) -> None:
    picture = pixels(drawn)
    assert len(picture) == (64 if "1" in drawn else 0)
    assert all(0.0 <= value <= 1.0 for value in picture)


def npz(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return content.getvalue()


def test_the_usual_array_is_chosen_else_the_first() -> None:
    assert array_in(npz("labels.npy", "inputs.npy")) == "inputs"
    assert array_in(npz("images.npy", "labels.npy")) == "images"


@pytest.mark.parametrize("content", [b"", b"PK", npz(), npz("readme.txt")])
def test_a_file_without_arrays_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no array"):
        array_in(content)


def model(*variants: tuple[str, int, float | None]) -> Model:
    return Model(
        name="m",
        version="1",
        description="",
        licence="",
        labels=[],
        variants=[Variant(name=name, weights=7, macs=macs, accuracy=accuracy) for name, macs, accuracy in variants],
    )


def test_the_front_holds_what_no_other_variant_beats() -> None:
    points = points_of(model(("dear", 300, 90.0), ("small", 100, 80.0), ("worse", 200, 79.0), ("unknown", 50, None)))
    assert [name for _, _, name in points] == ["small", "worse", "dear"]
    assert [name for _, _, name in front_of(points)] == ["small", "dear"]


def test_weights_stand_in_where_a_variant_tells_no_macs() -> None:
    assert {cost for cost, _, _ in points_of(model(("a", 0, 80.0), ("b", 10, 81.0)))} == {7}


def test_a_memory_plan_is_a_picture_with_a_title_for_each_buffer() -> None:
    layer = ExplainedLayer(
        operation="o", kernel="k", result_shape=[1], macs=1, weight_bytes=1, ram_bytes=1, instructions=1
    )
    explanation = Explanation(
        target="t",
        variant="v",
        flash_bytes=1,
        ram_bytes=1,
        arena_bytes=100,
        stack_bytes=1,
        lower_bound_arena_bytes=1,
        instructions=1,
        macs=1,
        exact=True,
        layers=[layer, layer],
        peak_layer=0,
        buffers=[
            ArenaBuffer(name="<input>", offset=0, bytes=40, first_use=0, last_use=1),
            ArenaBuffer(name="b", offset=40, bytes=60, first_use=1, last_use=2),
        ],
        archive="",
        archive_bytes=0,
    )
    picture = ElementTree.fromstring(memory_plan(explanation))  # noqa: S314 - it was just drawn
    titles = [one.text for one in picture.iter("title")]
    assert titles == ["<input>: bytes 0 to 40, steps 0 to 1", "b: bytes 40 to 100, steps 1 to 2"]
    heights = [float(one.attrib["height"]) for one in picture.iter("rect")]
    assert heights[1] / heights[0] == pytest.approx(1.5, rel=0.01)


def alarm(**figures: object) -> Alarm:
    return Alarm(
        id="a",
        kind="drift",
        endpoint="e",
        model="m",
        version="1",
        feature="input",
        message="",
        figures=figures,
        raised_at=0.0,
        cleared_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def test_an_alarm_with_shares_has_a_plot() -> None:
    options = drift_options(alarm(expected=[0.5, 0.5], seen=[0.25, 0.75]))
    assert options is not None
    assert [one["data"] for one in options["series"]] == [[50.0, 50.0], [25.0, 75.0]]  # type: ignore[attr-defined]
    assert drift_options(alarm(stability_index=0.3)) is None
