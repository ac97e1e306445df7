"""A pad to draw on."""

from collections.abc import Callable

from nicegui import ui
from nicegui.events import GenericEventArguments

from lwm2m_ml.web.parts.digit import DOTS

NAME = (
    "Pad to draw a digit on. With the keyboard: arrow keys move the pen, the space bar puts it down and lifts it, "
    "Delete clears."
)


class Pad(ui.element, component="pad.js"):
    """32 by 32 dots; `drawn` hears of each stroke."""

    def __init__(self, drawn: Callable[[], None]) -> None:
        super().__init__()
        self._props["label"] = NAME
        self.dots = "0" * DOTS * DOTS

        def heard(event: GenericEventArguments) -> None:
            if len(text := str(event.args)) == DOTS * DOTS:
                self.dots = text
                drawn()

        self.on("drawn", heard)

    def clear_dots(self) -> None:
        """Begin anew."""
        self.run_method("clear")
