"""Charts in the colours of the page, with a sentence for who does not see them."""

import copy
from typing import Any

from nicegui import ui

GREY = "#7b8794"
"""Text and lines on light and dark alike: 4.3 to 1 on white, 4.4 to 1 on the dark panel."""
SERIES = ("#2f81d6", "#d9822b", "#2e9e62", "#b45fc9", "#d64550", "#2aa6a6")
FRAME: dict[str, Any] = {
    "color": SERIES,
    "animation": False,
    "textStyle": {"color": GREY, "fontFamily": "inherit"},
    "grid": {"left": 12, "right": 24, "top": 48, "bottom": 12, "containLabel": True},
    "tooltip": {"trigger": "item", "confine": True},
}
AXIS = {
    "axisLabel": {"color": GREY},
    "nameTextStyle": {"color": GREY},
    "axisLine": {"lineStyle": {"color": GREY}},
    "splitLine": {"lineStyle": {"color": GREY, "opacity": 0.25}},
}


class Chart:
    """One chart, whose options may be replaced."""

    def __init__(self, element: ui.echart) -> None:
        self._element = element

    def show(self, options: dict[str, Any]) -> None:
        """Show something else."""
        self._element.options.clear()
        self._element.options.update(framed(options))
        self._element.update()


def chart(name: str) -> Chart:
    """An empty chart; `name` says what it shows."""
    element = ui.echart(framed({})).classes("chart").props(f'role="img" aria-label="{name}"')
    return Chart(element)


def framed(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the common frame: colours of text, axes and series, and room for long labels."""
    whole = copy.deepcopy(FRAME) | copy.deepcopy(options)
    for name in ("xAxis", "yAxis"):
        if name in whole:
            whole[name] = AXIS | whole[name]
    if "legend" in whole:
        whole["legend"] = {"textStyle": {"color": GREY}, "top": 4, "type": "scroll"} | whole["legend"]
    return whole
