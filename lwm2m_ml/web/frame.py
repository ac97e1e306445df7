"""What is around every page: the bar, the places to go, who is logged in, and whether it is light or dark."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import html, ui

from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.sessions import Session

HEAD = f'<link rel="stylesheet" href="{ROOT}/assets/theme.css">'
NARROW = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu; `below` are the pages that belong to it."""

    path: str
    name: str
    icon: str
    below: tuple[str, ...] = ()
    for_admins: bool = False


PLACES = (
    Place("/", "Fleet", "memory", ("/device",)),
    Place("/models", "Models", "hub", ("/model",)),
    Place("/compile", "Compile", "build"),
    Place("/campaigns", "Campaigns", "rocket_launch", ("/campaign",)),
    Place("/alarms", "Alarms", "notifications"),
    Place("/draw", "Draw a digit", "gesture"),
    Place("/credentials", "Credentials", "key", for_admins=True),
    Place("/audit", "Audit", "receipt_long", for_admins=True),
)


@contextmanager
def frame(session: Session, path: str) -> Iterator[None]:
    """Build the frame; what is built inside the block is the page."""
    ui.add_head_html(HEAD)
    dark = ui.dark_mode(session.dark)
    html.a("Skip to the page", href="#page").classes("skip")
    drawer = ui.left_drawer(value=False).props(f"show-if-above width=216 breakpoint={NARROW}").classes("places")
    with drawer, html.nav().props('aria-label="Places"').style("width: 100%"):
        for place in PLACES:
            if not place.for_admins or session.scope == "admin":
                _entry(place, here=path == place.path or path in place.below)
    with ui.header(elevated=False).classes("bar row no-wrap"):
        icon_button("menu", "Menu", drawer.toggle)
        html.a("lwm2m-ml", href=f"{ROOT}/").classes("brand")
        html.span().classes("grow")
        ui.label(f"{session.caller} · {session.scope}").classes("who")
        icon_button("contrast", "Light or dark", lambda: _turn(session, dark))
        with html.form(method="post", action=f"{ROOT}/logout"):
            icon_button("logout", "Log out").props("type=submit")
    with html.main(id="page", tabindex="-1").classes("page"):
        yield


def icon_button(icon: str, name: str, press: object = None) -> ui.button:
    """A button without words, which has a name all the same."""
    button = ui.button(icon=icon, color=None).props(f'unelevated aria-label="{name}"').classes("act bare")
    if callable(press):
        button.on_click(press)
    with button:
        ui.tooltip(name)
    return button


def _entry(place: Place, *, here: bool) -> None:
    with html.a(href=f"{ROOT}{place.path}").classes("place" + (" here" if here else "")) as entry:
        if here:
            entry.props('aria-current="page"')
        ui.icon(place.icon).props('aria-hidden="true"')
        html.span(place.name).classes("grow")


async def _turn(session: Session, mode: ui.dark_mode) -> None:
    """Change from light to dark or back, from what the browser shows now."""
    now = await ui.run_javascript("document.body.classList.contains('body--dark')")
    session.dark = not now
    mode.set_value(session.dark)
