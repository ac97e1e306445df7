"""The audit log, for administrators: who did what, on which device, and how it was answered."""

from nicegui import html, ui

from lwm2m_ml.client import administration_calls
from lwm2m_ml.client.schemas import Act
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import NOTHING, moment
from lwm2m_ml.web.visit import Visit, address, page

SHOWN = 500
COLUMNS = (
    Column("at", "When"),
    Column("caller", "Who"),
    Column("action", "What"),
    Column("endpoint", "Device"),
    Column("target", "On"),
    Column("status", "Answer", numeric=True),
    Column("address", "From"),
)


@page("/audit", "Audit")
async def audit_page(visit: Visit) -> None:
    """Build the page."""
    html.h1("Audit")
    if not visit.may("admin"):
        ui.label("The audit log is for administrators. Log in with an admin token.").classes("note warn")
        return
    html.p(
        "Each change, and each operation on a device, by API, command line or dashboard; also what was refused."
    ).classes("lead")
    with html.section().classes("panel"):
        with html.div().classes("row-of"):
            endpoint = ui.input("Device").props("outlined dense clearable debounce=400")
            caller = ui.input("Who").props("outlined dense clearable debounce=400")
        listing = Listing(COLUMNS, empty="Nothing of that was done.", name="Audit log", page_size=25)

    async def refresh() -> None:
        call = administration_calls.audit(endpoint=endpoint.value or "", caller=caller.value or "", limit=SHOWN)
        listing.show([_row(one) for one in (await visit.client.send(call)).items])

    for box in (endpoint, caller):
        box.on_value_change(told(refresh))
    await refresh()


def _row(one: Act) -> Row:
    refused = one.status >= 400
    return Row(
        key=str(one.id),
        values={
            "at": moment(one.at),
            "caller": one.caller,
            "action": one.action,
            "endpoint": one.endpoint or NOTHING,
            "target": one.target,
            "status": str(one.status),
            "address": one.address,
        },
        links={"endpoint": address("/device", endpoint=one.endpoint)} if one.endpoint else {},
        kinds={"status": "bad" if refused else "good"},
    )
