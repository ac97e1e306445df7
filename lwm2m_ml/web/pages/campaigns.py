"""All campaigns, the newest first."""

from nicegui import html, ui

from lwm2m_ml.client.schemas.campaigns import Campaign
from lwm2m_ml.web.parts.links import link
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import kind_of, moment
from lwm2m_ml.web.visit import Visit, address, page

REFRESH_SECONDS = 3.0
PAGE_SIZE = 25
COLUMNS = (
    Column("name", "Campaign"),
    Column("model", "Model"),
    Column("state", "State"),
    Column("phase", "Phase"),
    Column("devices", "Devices"),
    Column("diagnosis", "Diagnosis"),
    Column("created", "Began", numeric=True),
)


@page("/campaigns", "Campaigns")
async def campaigns_page(visit: Visit) -> None:
    """Build the page."""
    with html.div().classes("head"):
        html.h1("Campaigns")
        html.span().classes("grow")
        link("Begin one from a model", address("/models"))
    empty = "There has been no campaign yet. Begin one from the page of a model."
    listing = Listing(COLUMNS, empty=empty, name="Campaigns", page_size=PAGE_SIZE)

    async def refresh() -> None:
        listing.show([_row(one) for one in reversed(await visit.client.campaigns())])

    await refresh()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _row(one: Campaign) -> Row:
    return Row(
        key=one.id,
        values={
            "name": one.name or one.id,
            "model": f"{one.model} {one.version}",
            "state": one.state,
            "phase": f"{one.phase} of {one.phases}",
            "devices": ", ".join(f"{count:,} {state}" for state, count in one.tally.items()),
            "diagnosis": one.diagnosis,
            "created": moment(one.created_at),
        },
        links={"name": address("/campaign", id=one.id)},
        kinds={"state": kind_of(one.state)},
    )
