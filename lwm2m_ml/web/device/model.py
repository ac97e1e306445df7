"""What runs on a device: the module in each slot as the device tells it, and its results as they come."""

import time
from collections import Counter
from collections.abc import Mapping

from nicegui import html, ui

from lwm2m_ml.client.schemas import Device, ResourceValue, Result
from lwm2m_ml.web.parts.buttons import Act, act_button
from lwm2m_ml.web.parts.charts import chart
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.objects import MODEL, number_of
from lwm2m_ml.web.parts.telling import tell, told
from lwm2m_ml.web.parts.words import NOTHING, facts, number, size, tag
from lwm2m_ml.web.visit import Visit

RESULTS_SECONDS = 1.0
SLOTS_SECONDS = 10.0
KEPT = 120
LISTED = 12
STATES = ("empty", "staged", "trial", "active", "standby", "failed")
STATE, TRIAL, IN_USE = 11, 2, frozenset({2, 3})
CONFIRM, ROLL_BACK = 13, 14
UNDECIDED = "no decision"
COLUMNS = (
    Column("at", "When"),
    Column("label", "Answer"),
    Column("confidence", "Confidence", numeric=True),
    Column("latency", "Latency", numeric=True),
    Column("number", "Number", numeric=True),
    Column("model", "Model"),
)

Slot = Mapping[int, str | int | float | bool | None]


async def model_part(visit: Visit, device: Device) -> None:
    """Build the part."""
    model_object = await number_of(visit.client, MODEL)
    offered = f"/{model_object}/"
    with html.section().classes("panel"):
        html.h2("Modules")
        slots = html.div().style("display: contents")
    if model_object is None or not any(path.startswith(offered) for path in device.objects):
        with slots:
            ui.label("The device has no ML Model object (42770): what it runs is known from campaigns only.").classes(
                "note"
            )
    else:

        async def refresh_slots() -> None:
            values = await visit.client.read(device.endpoint, f"/{model_object}")
            slots.clear()
            with slots:
                for slot, facts_of_slot in _by_slot(values).items():
                    _slot(slot, facts_of_slot)
                    if visit.may("operator") and facts_of_slot.get(STATE) in IN_USE:
                        path = f"/{model_object}/{slot}"
                        _buttons(visit, device.endpoint, path, facts_of_slot, refresh_slots)

        await told(refresh_slots)()
        ui.timer(SLOTS_SECONDS, told(refresh_slots), immediate=False)
    await _results(visit, device.endpoint)


async def _results(visit: Visit, endpoint: str) -> None:
    kept: list[Result] = []
    with html.div().classes("grid-2") as charts:
        with html.section().classes("panel"):
            html.h2("Confidence of the newest results")
            confidence = chart("Confidence of each of the newest results, in percent")
        with html.section().classes("panel"):
            html.h2("Answers")
            answers = chart("How often each class was the answer")
    with html.section().classes("panel"):
        html.h2("Results")
        listing = Listing(COLUMNS, empty="No result has come yet.", name="Results")

    async def refresh() -> None:
        after = kept[-1].id if kept else 0
        news = await visit.client.results(endpoint, after=after, newest=KEPT)
        if not news and kept:
            return
        kept.extend(news)
        del kept[:-KEPT]
        charts.set_visibility(bool(kept))
        confidence.show(_confidence(kept))
        answers.show(_answers(kept))
        listing.show([_row(one) for one in reversed(kept[-LISTED:])])

    await refresh()
    ui.timer(RESULTS_SECONDS, told(refresh), immediate=False)


def _by_slot(values: list[ResourceValue]) -> Mapping[int, Slot]:
    slots: dict[int, dict[int, str | int | float | bool | None]] = {}
    for value in values:
        parts = value.path.split("/")
        if len(parts) == 4:
            slots.setdefault(int(parts[2]), {})[int(parts[3])] = value.value
    return slots


def _slot(slot: int, values: Slot) -> None:
    state = values.get(STATE)
    word = STATES[state] if isinstance(state, int) and 0 <= state < len(STATES) else str(state)
    with html.div().classes("row-of"):
        html.h3(f"Slot {slot} {values.get(0) or ''} {values.get(1) or ''}".strip())
        tag(word)
    if word == "empty":
        return
    facts(
        ("Storage used", size(_whole(values.get(9)))),
        ("Working memory", size(_whole(values.get(10)))),
        ("Inferences", number(_real(values.get(25)))),
        ("Failures", number(_real(values.get(26)))),
        ("Latency, mean", _milliseconds(values.get(28))),
        ("Latency, longest", _milliseconds(values.get(29))),
        ("Drift score", number(_real(values.get(31)), 3)),
        ("Self-test", NOTHING if values.get(19) is None else f"{number(_real(values.get(19)))} %"),
    )


def _buttons(visit: Visit, endpoint: str, path: str, values: Slot, refresh: Act) -> None:
    """What can be done with a module in use."""

    async def execute(resource: int, what: str) -> None:
        await visit.client.execute(endpoint, f"{path}/{resource}")
        tell(what)
        await refresh()

    async def confirm() -> None:
        await execute(CONFIRM, "The module stays")

    async def roll_back() -> None:
        await execute(ROLL_BACK, "The module was rolled back")

    question = "The device goes back to the module that it ran before, or to none."
    with html.div().classes("row-of"):
        if values.get(STATE) == TRIAL:
            act_button("Confirm", confirm, icon="check", kind="tight")
        act_button("Roll back", roll_back, icon="undo", kind="tight", question=question)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _milliseconds(value: object) -> str:
    found = _real(value)
    return NOTHING if found is None else f"{found:,.3f} ms"


def _answer(one: Result) -> str:
    if one.class_index < 0:
        return UNDECIDED
    return one.label or str(one.class_index)


def _confidence(results: list[Result]) -> dict[str, object]:
    return {
        "xAxis": {"type": "category", "data": [str(one.number) for one in results], "name": "number"},
        "yAxis": {"type": "value", "max": 100, "name": "%"},
        "series": [
            {
                "type": "line",
                "symbolSize": 5,
                "data": [{"value": one.confidence, "name": _answer(one)} for one in results],
                "lineStyle": {"width": 1.5},
            }
        ],
    }


def _answers(results: list[Result]) -> dict[str, object]:
    counts = sorted(Counter(map(_answer, results)).items())
    return {
        "xAxis": {"type": "category", "data": [name for name, _ in counts]},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [{"type": "bar", "data": [count for _, count in counts]}],
    }


def _row(one: Result) -> Row:
    return Row(
        key=str(one.id),
        values={
            "at": time.strftime("%H:%M:%S", time.localtime(one.received_at)),
            "label": _answer(one),
            "confidence": NOTHING if one.confidence is None else f"{one.confidence:.1f} %",
            "latency": NOTHING if one.latency is None else f"{one.latency:,.3f} ms",
            "number": number(one.number),
            "model": f"{one.model} {one.version}".strip() or "not known yet",
        },
        kinds={"label": "warn"} if one.class_index < 0 else {},
    )
