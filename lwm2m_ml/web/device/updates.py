"""The campaigns that a device took part in, and what became of each."""

from nicegui import ui

from lwm2m_ml.client.schemas.campaigns import DeviceUpdate
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import NOTHING, kind_of, moment, number, size
from lwm2m_ml.web.visit import Visit, address

REFRESH_SECONDS = 2.0
COLUMNS = (
    Column("model", "Model"),
    Column("state", "State"),
    Column("diagnosis", "Diagnosis"),
    Column("before", "Before"),
    Column("reported", "Reports"),
    Column("air", "Over the air", numeric=True),
    Column("attempts", "Attempts", numeric=True),
    Column("since", "Since", numeric=True),
)


async def updates_part(visit: Visit, endpoint: str) -> None:
    """Build the part."""
    listing = Listing(COLUMNS, empty="No campaign has come to this device yet.", name="Updates")

    async def refresh() -> None:
        listing.show([_row(one) for one in await visit.client.updates(endpoint)])

    await refresh()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _row(update: DeviceUpdate) -> Row:
    device = update.device
    seconds = "" if device.ota_seconds is None else f", {number(device.ota_seconds, 1)} s"
    return Row(
        key=update.campaign,
        values={
            "model": f"{update.model} {update.version}" + (f" ({device.variant})" if device.variant else ""),
            "state": device.state,
            "diagnosis": device.diagnosis or NOTHING,
            "before": device.before or NOTHING,
            "reported": device.reported or NOTHING,
            "air": NOTHING if device.ota_bytes is None else f"{size(device.ota_bytes)}{seconds}",
            "attempts": number(device.attempts),
            "since": moment(device.since),
        },
        links={"model": address("/campaign", id=update.campaign)},
        kinds={"state": kind_of(device.state)},
    )
