"""Parts of a page behind tabs, each built when it is first looked at."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from lwm2m_ml.web.parts.telling import told

Part = tuple[str, Callable[[], Awaitable[None]]]


def tabs(parts: Sequence[Part], chosen: str = "") -> None:
    """Show parts by their names; the chosen one, or the first, at once."""
    names = [name for name, _ in parts]
    start = chosen if chosen in names else names[0]
    with ui.tabs().props("dense no-caps align=left outside-arrows mobile-arrows inline-label") as bar:
        named = {name: ui.tab(name) for name in names}
    built: set[str] = set()
    places: dict[str, ui.tab_panel] = {}
    with ui.tab_panels(bar, value=named[start], animated=False, keep_alive=True):
        for name in names:
            places[name] = ui.tab_panel(name)

    async def build() -> None:
        name = bar.value if isinstance(bar.value, str) else start
        if name in built:
            return
        built.add(name)
        with places[name]:
            await told(dict(parts)[name])()

    bar.on_value_change(build)
    ui.timer(0.01, build, once=True)
