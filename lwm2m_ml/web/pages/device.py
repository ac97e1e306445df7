"""One device: what it is, its objects and resources, what it runs and answers, how it was updated, what it says."""

from nicegui import html, ui

from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas import Device
from lwm2m_ml.web.device.messages import messages_part
from lwm2m_ml.web.device.model import model_part
from lwm2m_ml.web.device.resources import resources_part
from lwm2m_ml.web.device.traffic import traffic_part
from lwm2m_ml.web.device.updates import updates_part
from lwm2m_ml.web.pages.fleet import state_of
from lwm2m_ml.web.parts.links import link
from lwm2m_ml.web.parts.tabs import tabs
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import NOTHING, ago, facts, moment, number, size, tag
from lwm2m_ml.web.visit import Visit, address, page

REFRESH_SECONDS = 5.0
NOT_FOUND = 404


@page("/device", "Device")
async def device_page(visit: Visit) -> None:
    """Build the page."""
    endpoint = visit.asked("endpoint")
    device = await visit.client.device(endpoint)
    with html.div().classes("head"):
        html.h1(endpoint)
        state = tag(*state_of(device))
        if device.alarms:
            word = "alarm" if device.alarms == 1 else "alarms"
            with link("", address("/alarms", endpoint=endpoint)):
                tag(f"{device.alarms} {word}", "bad")
        html.span().classes("grow")
        if device.profile:
            link("Draw a digit for it", address("/draw", endpoint=endpoint))
    with html.section().classes("panel"):
        seen = _facts(device)

    async def refresh() -> None:
        try:
            now = await visit.client.device(endpoint)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            state.set_text("left")
            state.classes(replace="tag warn")
            return
        word, kind = state_of(now)
        state.set_text(word)
        state.classes(replace=f"tag {kind}")
        seen.set_text(ago(now.last_seen))

    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)
    tabs(
        (
            ("Objects", lambda: resources_part(visit, device)),
            ("Model", lambda: model_part(visit, device)),
            ("Updates", lambda: updates_part(visit, endpoint)),
            ("History", lambda: traffic_part(visit, endpoint)),
            ("Messages", lambda: messages_part(visit, endpoint)),
        ),
        visit.asked("tab"),
    )


def _facts(device: Device) -> ui.label:
    """What is known of it; returns the label that says when it was heard of."""
    profile = device.profile
    told_by_it = (
        (
            ("Made by", f"{profile.manufacturer} {profile.model_number}".strip() or NOTHING),
            ("Target", profile.target),
            ("Clock", f"{number(profile.clock_hz / 1e6, 0)} MHz" if profile.clock_hz else NOTHING),
            ("Module storage free", f"{size(profile.storage_free)} of {size(profile.storage_total)}"),
            ("Working memory", size(profile.memory_total)),
        )
        if profile
        else (("ML runtime", "none reported"),)
    )
    facts(
        ("Runs", ", ".join(device.running) or NOTHING),
        *told_by_it,
        ("Address", device.address),
        ("LwM2M", f"{device.lwm2m_version}, binding {device.binding}"),
        ("Registered", moment(device.registered_at)),
        ("Lifetime", f"{device.lifetime:,} s"),
    )
    with html.div().classes("row-of muted small"):
        ui.label("Registration renewed")
        return ui.label(ago(device.last_seen))
