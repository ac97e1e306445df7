"""Charts in the colours of the page, with a sentence for who does not see them.

They are drawn as SVG: the style sheet gives their text the colour of its look.
"""

import copy
from typing import Any

from nicegui import ui

from lwm2m_ml.web.parts.colours import GREY, SERIES

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
"""That of the style sheet, by name: ECharts measures with it where words end."""
FRAME: dict[str, Any] = {
    "color": SERIES,
    "animation": False,
    "textStyle": {"color": GREY, "fontFamily": FONT},
    "grid": {"left": 12, "right": 24, "top": 48, "bottom": 12, "containLabel": True},
    "tooltip": {"trigger": "item", "confine": True},
}
AXIS = {
    "axisLabel": {"color": GREY, "hideOverlap": True},
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
    element = ui.echart(framed({}), renderer="svg").classes("chart").props(f'role="img" aria-label="{name}"')
    return Chart(element)


def framed(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the common frame: colours of text, axes and series, and room for long labels."""
    whole = copy.deepcopy(FRAME) | copy.deepcopy(options)
    for name in ("xAxis", "yAxis"):
        if name in whole:
            whole[name] = AXIS | whole[name]
    if "name" in whole.get("xAxis", {}):
        # At the end of the axis, where it stands otherwise, it is cut off.
        whole["xAxis"] = {"nameLocation": "middle", "nameGap": 28} | whole["xAxis"]
        whole["grid"]["bottom"] = max(whole["grid"]["bottom"], 40)
    if "legend" in whole:
        whole["legend"] = {"textStyle": {"color": GREY}, "top": 4, "type": "scroll"} | whole["legend"]
    return whole
