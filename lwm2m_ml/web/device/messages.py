"""The CoAP messages of a device, from the first look on."""

import time

from nicegui import html, ui

from lwm2m_ml.client.schemas import LoggedMessage
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import number
from lwm2m_ml.web.visit import Visit

REFRESH_SECONDS = 1.5
SHOWN = 100
COLUMNS = (
    Column("at", "When"),
    Column("way", ""),
    Column("what", "Message"),
    Column("path", "Path"),
    Column("payload", "Payload"),
    Column("bytes", "Bytes", numeric=True),
)
FORMATS = {0: "text", 40: "links", 42: "octets", 60: "CBOR", 110: "SenML JSON", 112: "SenML CBOR", 11542: "TLV"}
READABLE = frozenset({0, 40, 110})


async def messages_part(visit: Visit, endpoint: str) -> None:
    """Build the part; looking needs the scope operator, as reading the device's values does."""
    kept: list[LoggedMessage] = []
    paused = False

    def turn(event: ui.switch) -> None:
        nonlocal paused
        paused = not event.value

    with html.section().classes("panel"):
        with html.div().classes("row-of"):
            html.h2("CoAP messages")
            html.span().classes("grow")
            switch = ui.switch("Live", value=True)
            switch.on_value_change(lambda: turn(switch))
        ui.label(
            "Kept since somebody looks at this device: the newest 200, in memory. What OSCORE protects stays sealed."
        ).classes("muted small")
        listing = Listing(COLUMNS, empty="Nothing was said yet. The next message appears here.", name="CoAP messages")

    async def refresh() -> None:
        if paused:
            return
        news = await visit.client.messages(endpoint, kept[-1].number if kept else 0)
        if news:
            kept.extend(news)
            del kept[:-SHOWN]
            listing.show([_row(one) for one in reversed(kept)])

    await refresh()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _row(one: LoggedMessage) -> Row:
    observe = "" if one.observe is None else f" observe={one.observe}"
    clock = time.strftime("%H:%M:%S", time.localtime(one.at)) + f".{int(one.at % 1 * 1000):03}"
    return Row(
        key=str(one.number),
        values={
            "at": clock,
            "way": "from device" if one.inbound else "to device",
            "what": f"{one.type} {one.code}{observe} #{one.message_id}",
            "path": one.path,
            "payload": _payload(one),
            "bytes": number(one.size),
        },
        kinds={"way": "good" if one.inbound else ""},
    )


def _payload(one: LoggedMessage) -> str:
    if not one.payload_bytes:
        return ""
    kind = "" if one.content_format is None else FORMATS.get(one.content_format, str(one.content_format)) + ": "
    if one.content_format in READABLE:
        return kind + bytes.fromhex(one.payload).decode("utf-8", "replace")[:120]
    return f"{kind}{one.payload[:48]}{'…' if one.payload_bytes > 24 else ''}"
