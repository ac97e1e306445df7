"""The fleet: how many devices there are of which kind, and a page of those that fit what one looks for."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nicegui import html, ui

from lwm2m_ml.client import device_calls
from lwm2m_ml.client.schemas import Device, Fleet
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import NOTHING, ago, number, size, tile
from lwm2m_ml.web.visit import Visit, address, page

PAGE_SIZE = 50
REFRESH_SECONDS = 5.0
COLUMNS = (
    Column("endpoint", "Device"),
    Column("state", "State"),
    Column("running", "Runs"),
    Column("target", "Target"),
    Column("alarms", "Alarms", numeric=True),
    Column("storage", "Storage free", numeric=True),
    Column("version", "LwM2M"),
    Column("seen", "Renewed", numeric=True),
)
SORTS = {"endpoint": "Name", "-last_seen": "Renewed last", "last_seen": "Silent longest", "-registered_at": "Newest"}
ANY = ""


@dataclass(slots=True)
class Search:
    """What one looks for. `cursors` are those of the pages before the one that is shown."""

    text: str = ""
    target: str = ANY
    running: str = ANY
    filter: str = ""
    alarmed: bool = False
    sort: str = "endpoint"
    cursors: list[str] = field(default_factory=lambda: [""])
    following: str | None = None

    @property
    def conditions(self) -> str:
        """The filter with what was chosen beside it."""
        model, _, version = self.running.rpartition(" ")
        chosen = f'model="{model}" version="{version}"' if self.running else ""
        return f"{self.filter} {chosen}".strip()


@page("/", "Fleet")
async def fleet_page(visit: Visit) -> None:
    """Build the page."""
    search = Search(alarmed=visit.asked("alarmed") == "true", running=visit.asked("running"))
    with html.div().classes("head"):
        html.h1("Fleet")
    tiles = _Tiles()
    fleet = await visit.client.fleet()
    tiles.show(fleet)
    with html.section().classes("panel"):
        table: list[Callable[[], Awaitable[None]]] = []

        async def again() -> None:
            search.cursors = [""]
            await table[0]()

        _inputs(search, fleet, again)
        listing = Listing(
            COLUMNS, empty="No device fits. Devices appear here once they have registered.", name="Devices"
        )
        pager = _Pager(search, lambda: table[0]())  # noqa: PLW0108 - there is none yet

    async def show() -> None:
        found = await visit.client.send(
            device_calls.devices(
                endpoint=f"*{search.text.strip()}*" if search.text.strip() else "",
                target=search.target,
                filter=search.conditions,
                alarmed=search.alarmed,
                sort=search.sort,
                limit=PAGE_SIZE,
                cursor=search.cursors[-1],
            )
        )
        search.following = found.next
        listing.show([_row(device) for device in found.items])
        pager.show(len(found.items))

    async def refresh() -> None:
        tiles.show(await visit.client.fleet())
        await show()

    table.append(told(show))
    await show()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


class _Tiles:
    def __init__(self) -> None:
        with html.section().classes("tiles").props('aria-label="Figures"'):
            self._labels = {
                name: tile(what)
                for name, what in (
                    ("devices", "devices registered"),
                    ("busy", "run a model"),
                    ("idle", "ready for a model"),
                    ("late", "late to renew"),
                    ("alarmed", "with alarms"),
                )
            }

    def show(self, fleet: Fleet) -> None:
        figures = fleet.model_dump() | {"busy": fleet.runtimes - fleet.idle}
        for name, label in self._labels.items():
            label.set_text(number(figures[name]))


def _inputs(search: Search, fleet: Fleet, again: Callable[[], Awaitable[None]]) -> None:
    """What one can look for; each change shows the first page anew."""
    targets = {ANY: "All targets"} | {name: f"{name} ({count:,})" for name, count in fleet.targets.items()}
    models = {ANY: "All models"} | {name: f"{name} ({count:,})" for name, count in fleet.running.items()}
    models.setdefault(search.running, search.running)
    with html.div().classes("row-of"):
        text = ui.input("Search a name").props("outlined dense clearable debounce=300").classes("grow")
        target, running, order = _select("Target", targets), _select("Runs", models), _select("Order", SORTS)
        alarmed = ui.checkbox("With alarms", value=search.alarmed)
    running.set_value(search.running)
    with ui.expansion("Filter by conditions").props("dense"):
        ui.label("Conditions as groups have them, such as: tag=oslo storage_free>=20000 firmware=2.*").classes(
            "muted small"
        )
        conditions = ui.input("Conditions").props("outlined dense debounce=600").style("width: 100%")

    async def changed() -> None:
        search.text, search.filter = text.value or "", conditions.value or ""
        search.target, search.running = target.value, running.value
        search.sort, search.alarmed = order.value, alarmed.value
        await again()

    for one in (text, target, running, order, alarmed, conditions):
        one.on_value_change(changed)


def _select(label: str, options: dict[str, str]) -> ui.select:
    return (
        ui.select(options, label=label, value=next(iter(options)))
        .props("outlined dense options-dense")
        .style("min-width: 150px")
    )


class _Pager:
    """Leads from page to page; how many there are is not counted."""

    def __init__(self, search: Search, show: Callable[[], Awaitable[None]]) -> None:
        self._search = search
        self._show = show
        with html.nav().classes("row-of").props('aria-label="Pages"').style("justify-content: flex-end"):
            self._where = ui.label().classes("muted small num")
            self._back = self._button("Previous", self._previous)
            self._forth = self._button("Next", self._next)

    def show(self, count: int) -> None:
        """Say which devices are shown."""
        first = (len(self._search.cursors) - 1) * PAGE_SIZE
        self._where.set_text(f"{first + 1:,}–{first + count:,}" if count else "none")
        self._back.set_enabled(len(self._search.cursors) > 1)
        self._forth.set_enabled(self._search.following is not None)

    def _button(self, text: str, press: Callable[[], Awaitable[None]]) -> ui.button:
        return ui.button(text, color=None, on_click=press).props("unelevated no-caps").classes("act tight")

    async def _previous(self) -> None:
        if len(self._search.cursors) > 1:
            self._search.cursors.pop()
            await self._show()

    async def _next(self) -> None:
        if self._search.following is not None:
            self._search.cursors.append(self._search.following)
            await self._show()


def _row(device: Device) -> Row:
    profile = device.profile
    state, kind = state_of(device)
    return Row(
        key=device.endpoint,
        values={
            "endpoint": device.endpoint,
            "state": state,
            "running": ", ".join(device.running) or NOTHING,
            "target": profile.target if profile else NOTHING,
            "alarms": number(device.alarms) if device.alarms else "",
            "storage": size(profile.storage_free if profile else None),
            "version": device.lwm2m_version,
            "seen": ago(device.last_seen),
        },
        links={"endpoint": address("/device", endpoint=device.endpoint)},
        kinds={"state": kind, "alarms": "warn"},
    )


def state_of(device: Device) -> tuple[str, str]:
    """How a device stands, as one word or two, and whether that is good or bad."""
    if device.last_seen + device.lifetime < time.time():
        return "late", "warn"
    if device.running:
        return "running", "good"
    return ("ready", "") if device.profile else ("no runtime", "")
