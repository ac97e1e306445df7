"""Figures and states as people read them."""

import time

from nicegui import html, ui

NOTHING = "–"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
KINDS = {
    "running": "good",
    "active": "good",
    "done": "good",
    "finished": "good",
    "succeeded": "good",
    "complete": "good",
    "completed": "good",
    "online": "good",
    "trial": "warn",
    "paused": "warn",
    "awaiting approval": "warn",
    "late": "warn",
    "open": "warn",
    "refused": "warn",
    "failed": "bad",
    "cancelled": "warn",
    "rolled back": "bad",
    "rolling back": "bad",
    "stuck": "bad",
}
"""How states look; what is not here is neither good nor bad."""


def number(value: float | None, digits: int = 0) -> str:
    """A number with separators; a dash where nobody measured."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def size(count: int | None) -> str:
    """Bytes, in the unit that leaves few digits."""
    if count is None:
        return NOTHING
    if count < 10_000:
        return f"{count:,} B"
    return f"{count / 1024:,.1f} KiB" if count < 10 << 20 else f"{count / (1 << 20):,.1f} MiB"


def moment(seconds: float | None) -> str:
    """A time of this server's clock."""
    return NOTHING if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def ago(seconds: float | None, now: float | None = None) -> str:
    """How long ago something was."""
    if seconds is None:
        return NOTHING
    passed = max(0.0, (time.time() if now is None else now) - seconds)
    if passed < MINUTE:
        return f"{passed:.0f} s ago"
    if passed < 2 * HOUR:
        return f"{passed / MINUTE:.0f} min ago"
    return f"{passed / HOUR:.0f} h ago" if passed < 2 * DAY else f"{passed / DAY:.0f} days ago"


def kind_of(state: str) -> str:
    """Whether a state is good, bad or a warning; empty for neither."""
    return KINDS.get(state.replace("-", " ").replace("_", " ").lower(), "")


def tag(text: str, kind: str | None = None) -> ui.label:
    """A word for a state."""
    return ui.label(text).classes(f"tag {kind_of(text) if kind is None else kind}")


def facts(*pairs: tuple[str, str]) -> None:
    """Names and values, side by side."""
    with ui.element("dl").classes("grid-facts"):
        for name, value in pairs:
            with ui.element("div").classes("fact"):
                html.dt(name)
                html.dd(value)


def tile(what: str, figure: str = NOTHING) -> ui.label:
    """A figure with its name below; returns the figure's label, to be brought up to date."""
    with ui.element("div").classes("tile"):
        label = ui.label(figure).classes("figure")
        ui.label(what).classes("what")
    return label
