"""Alarms, and what the inputs looked like when they were raised."""

from nicegui import html, ui

from lwm2m_ml.client.schemas.monitoring import Alarm
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.charts import chart
from lwm2m_ml.web.parts.drift import drift_options
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import tell, told
from lwm2m_ml.web.parts.words import NOTHING, facts, moment, tag
from lwm2m_ml.web.visit import Visit, address, page

REFRESH_SECONDS = 5.0
SHOW, SEEN = "Show", "Seen"
COLUMNS = (
    Column("raised", "Raised"),
    Column("state", "State"),
    Column("device", "Device"),
    Column("model", "Model"),
    Column("feature", "About"),
    Column("message", "What"),
)


@page("/alarms", "Alarms")
async def alarms_page(visit: Visit) -> None:
    """Build the page."""
    endpoint = visit.asked("endpoint")
    with html.div().classes("head"):
        html.h1("Alarms" + (f" of {endpoint}" if endpoint else ""))
        html.span().classes("grow")
        only_open = ui.switch("Only open ones", value=True)
    shown = html.div().style("display: contents")

    async def press(button: str, key: str) -> None:
        if button == SEEN:
            await visit.client.acknowledge_alarm(key)
            tell("It is noted that you have seen the alarm")
            await refresh()
            return
        alarm = await visit.client.alarm(key)
        shown.clear()
        with shown:
            _show(visit, alarm)

    empty = "There is no alarm. Drift of inputs and answers raises them."
    listing = Listing(COLUMNS, empty=empty, name="Alarms", pressed=press, page_size=25)

    async def refresh() -> None:
        found = await visit.client.alarms(only_open=bool(only_open.value))
        acts = visit.may("operator")
        listing.show([_row(one, acts) for one in found if not endpoint or one.endpoint == endpoint])

    await refresh()
    only_open.on_value_change(told(refresh))
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _row(one: Alarm, acts: bool) -> Row:
    state = "over" if one.cleared_at else "seen" if one.acknowledged_at else "open"
    device = {"device": address("/device", endpoint=one.endpoint)} if one.endpoint else {}
    return Row(
        key=one.id,
        values={
            "raised": moment(one.raised_at),
            "state": state,
            "device": one.endpoint or "whole fleet",
            "model": f"{one.model} {one.version}",
            "feature": one.feature,
            "message": one.message,
        },
        links={"model": address("/model", name=one.model, version=one.version), **device},
        kinds={"state": {"over": "good", "seen": "", "open": "bad"}[state]},
        buttons=(SHOW, SEEN) if acts and state == "open" else (SHOW,),
    )


def _show(visit: Visit, alarm: Alarm) -> None:
    with html.section().classes("panel"):
        with html.div().classes("row-of"):
            html.h2(f"{alarm.kind}: {alarm.feature}")
            tag("over" if alarm.cleared_at else "open", "good" if alarm.cleared_at else "bad")
        ui.label(alarm.message)
        options = drift_options(alarm)
        if options is not None:
            ui.label("Share of inputs in each range: expected by the model, and seen.").classes("muted small")
            chart(f"Distribution of {alarm.feature}, expected and seen").show(options)
        figures = {name: value for name, value in alarm.figures.items() if not isinstance(value, list | dict)}
        facts(
            ("Raised", moment(alarm.raised_at)),
            ("Over", moment(alarm.cleared_at)),
            ("Seen by", alarm.acknowledged_by or NOTHING),
            *((name.replace("_", " "), _figure(value)) for name, value in figures.items()),
        )
        if alarm.endpoint and visit.may("operator"):

            async def capture() -> None:
                job = await visit.client.capture(alarm.endpoint)
                tell(f"The device is asked for its next input (job {job.id})")

            with html.div().classes("row-of"):
                act_button("Ask the device for its next input", capture, icon="photo_camera")


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
