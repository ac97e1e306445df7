"""When a device came and went, and how much it said."""

import time

from nicegui import html, ui

from lwm2m_ml.client.schemas import DeviceHistory
from lwm2m_ml.web.parts.charts import chart
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import moment
from lwm2m_ml.web.visit import Visit

REFRESH_SECONDS = 10.0
COLUMNS = (Column("at", "When"), Column("what", "What"), Column("detail", ""))


async def traffic_part(visit: Visit, endpoint: str) -> None:
    """Build the part."""
    with html.section().classes("panel"):
        html.h2("Traffic")
        ui.label("Bytes of CoAP in five minutes each, over the last four hours or since the server started.").classes(
            "muted small"
        )
        plot = chart("Bytes in and out over time")
    with html.section().classes("panel"):
        html.h2("Registration")
        listing = Listing(COLUMNS, empty="Nothing has happened since the server started.", name="Registration history")

    async def refresh() -> None:
        history = await visit.client.history(endpoint)
        plot.show(_options(history))
        rows = [
            Row(str(index), {"at": moment(one.at), "what": one.what, "detail": one.detail})
            for index, one in enumerate(history.events)
        ]
        listing.show(rows[::-1])

    await refresh()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _options(history: DeviceHistory) -> dict[str, object]:
    times = [time.strftime("%H:%M", time.localtime(one.at)) for one in history.traffic]
    return {
        "xAxis": {"type": "category", "data": times},
        "yAxis": {"type": "value", "name": "bytes"},
        "legend": {},
        "series": [
            {"name": "from the device", "type": "bar", "data": [one.bytes_in for one in history.traffic]},
            {"name": "to the device", "type": "bar", "data": [one.bytes_out for one in history.traffic]},
        ],
    }
