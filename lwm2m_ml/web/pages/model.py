"""One model: its variants and their cost, its graph, how it fits the fleet, and the way onto devices."""

from nicegui import html, ui

from lwm2m_ml.client.schemas import Model
from lwm2m_ml.client.schemas.campaigns import CampaignRequest
from lwm2m_ml.client.schemas.fit import FitAnswer, FitRequest, Survey
from lwm2m_ml.web.netron_files import graph_address
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.charts import chart
from lwm2m_ml.web.parts.links import go, link
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.pareto import pareto_options
from lwm2m_ml.web.parts.tabs import tabs
from lwm2m_ml.web.parts.words import NOTHING, facts, number, size
from lwm2m_ml.web.visit import Visit, address, page

VARIANTS = (
    Column("name", "Variant"),
    Column("accuracy", "Accuracy", numeric=True),
    Column("weights", "Weights", numeric=True),
    Column("macs", "MACs", numeric=True),
)
FITS = (
    Column("target", "Target"),
    Column("devices", "Devices", numeric=True),
    Column("chosen", "Variant"),
    Column("flash", "Flash", numeric=True),
    Column("ram", "RAM", numeric=True),
    Column("instructions", "Instructions", numeric=True),
    Column("latency", "Latency", numeric=True),
    Column("reason", "Why"),
)


@page("/model", "Model")
async def model_page(visit: Visit) -> None:
    """Build the page."""
    name, version = visit.asked("name"), visit.asked("version")
    model = await visit.client.model(name, version or None)
    versions = await visit.client.model_versions(name)
    with html.div().classes("head"):
        html.h1(f"{model.name} {model.version}")
        for alias in model.aliases:
            ui.label(alias).classes("tag good")
        html.span().classes("grow")
        if len(versions) > 1:
            _choose_version(model, [one.version for one in versions])
    with html.section().classes("panel"):
        if model.description:
            html.p(model.description).classes("lead")
        facts(
            ("Licence", model.licence or NOTHING),
            ("Classes", ", ".join(model.labels[:12]) or NOTHING),
            ("Preprocessing", model.preprocessing or NOTHING),
        )
        if model.data:
            ui.label(f"Data: {model.data}").classes("muted small")
    tabs(
        (
            ("Variants", lambda: _variants(visit, model)),
            ("Graph", lambda: _graph(model)),
            ("Fit over the fleet", lambda: _fit(visit, model)),
            ("Deploy", lambda: _deploy(visit, model)),
        ),
        visit.asked("tab"),
    )


def _choose_version(model: Model, versions: list[str]) -> None:
    choice = ui.select(versions, label="Version", value=model.version).props("outlined dense options-dense")
    choice.on_value_change(lambda: go(address("/model", name=model.name, version=choice.value)))


async def _variants(visit: Visit, model: Model) -> None:
    measured = [variant for variant in model.variants if variant.accuracy is not None]
    with html.section().classes("panel"):
        html.h2("Accuracy against size")
        if measured:
            ui.label(
                "Up is better, left is smaller. The line joins the variants that no other one beats in both."
            ).classes("muted small")
            chart("Accuracy of each variant over its multiply-accumulates; the line is the Pareto front").show(
                pareto_options(model)
            )
        else:
            ui.label("No accuracy was given for this model's variants, so that there is nothing to compare.").classes(
                "muted"
            )
    listing = Listing(VARIANTS, empty="The model has no variants.", name="Variants")
    listing.show(
        [
            Row(
                variant.name,
                {
                    "name": variant.name,
                    "accuracy": NOTHING if variant.accuracy is None else f"{variant.accuracy:.2f} %",
                    "weights": number(variant.weights),
                    "macs": number(variant.macs) if variant.macs else NOTHING,
                },
                links={
                    "name": address("/compile", model=model.name, version=model.version, variant=variant.name),
                },
            )
            for variant in model.variants
        ]
    )


async def _graph(model: Model) -> None:
    names = [variant.name for variant in model.variants]
    with html.section().classes("panel"):
        with html.div().classes("row-of"):
            html.h2("Graph")
            html.span().classes("grow")
            choice = ui.select(names, label="Variant", value=names[0]).props("outlined dense options-dense")
            alone = link("Open it alone", graph_address(model.name, model.version, names[0]), new_tab=True)
        frame = html.iframe(title=f"Graph of {model.name}").classes("graph")
        frame.props["src"] = graph_address(model.name, model.version, names[0])

    def change() -> None:
        where = graph_address(model.name, model.version, str(choice.value))
        frame.props["src"] = where
        alone.props["href"] = where

    choice.on_value_change(change)


async def _fit(visit: Visit, model: Model) -> None:
    with html.section().classes("panel"):
        html.h2("Fit over the fleet")
        ui.label(
            "Looks at every variant, backend and optimisation for each kind of device. What is not at hand is compiled "
            "first, once for each kind."
        ).classes("muted small")
        with html.div().classes("row-of"):
            accuracy = ui.number("Accuracy at least, %", min=0, max=100).props("outlined dense")
            accuracy.style("min-width: 190px")
            latency = ui.number("Latency at most, ms", min=0).props("outlined dense")
            buttons = html.div()
        found = html.div().style("display: contents")

    async def look() -> None:
        found.clear()
        with found, html.div().classes("row-of").props('role="status"'):
            ui.spinner()
            ui.label("Compiling and measuring for each kind of device")
        try:
            answer = await visit.client.fit(
                FitRequest(
                    model=model.name,
                    version=model.version,
                    minimum_accuracy=accuracy.value,
                    maximum_latency=latency.value or None,
                )
            )
        finally:
            found.clear()
        with found:
            _show_fit(answer)

    with buttons:
        if visit.may("operator"):
            act_button("Look", look, icon="search", kind="main")
        else:
            ui.label("Looking may compile, which needs the scope operator.").classes("muted")


def _show_fit(answer: FitAnswer) -> None:
    fitting = sum(len(survey.endpoints) for survey in answer.surveys if survey.chosen)
    total = sum(len(survey.endpoints) for survey in answer.surveys)
    ui.label(
        f"Fits {fitting:,} of {total:,} devices with a runtime; {answer.compilations:,} compilations; "
        f"{len(answer.unknown):,} devices have no runtime."
    )
    listing = Listing(FITS, empty="No registered device has an ML runtime.", name="Fit by kind of device")
    listing.show([_fit_row(survey, index) for index, survey in enumerate(answer.surveys)])


def _fit_row(survey: Survey, index: int) -> Row:
    chosen = survey.chosen
    return Row(
        key=str(index),
        values={
            "target": survey.target,
            "devices": number(len(survey.endpoints)),
            "chosen": chosen.variant if chosen else "fits not",
            "flash": size(chosen.flash_bytes if chosen else None),
            "ram": size(chosen.ram_bytes if chosen else None),
            "instructions": number(chosen.instructions if chosen else None),
            "latency": NOTHING if chosen is None or chosen.latency is None else f"{chosen.latency:,.2f} ms",
            "reason": survey.reason,
        },
        kinds={"chosen": "good" if chosen else "warn"},
    )


async def _deploy(visit: Visit, model: Model) -> None:
    if not visit.may("operator"):
        ui.label("Deploying needs the scope operator.").classes("note")
        return
    with html.section().classes("panel"):
        html.h2("Bring it to devices")
        ui.label(
            "A campaign goes in phases: first a few devices, whose results are watched, then more. Gates take the "
            "model back when it does not do well."
        ).classes("muted small")
        filter_box = ui.input("Devices by conditions; empty: all", value=visit.asked("filter")).props("outlined dense")
        filter_box.props('hint="Such as target=nrf52* tag=oslo"').style("width: 100%")
        phases = ui.input("Phases", value="100%").props('outlined dense hint="Such as 1%,10%,100%"')
        soak = ui.number("Seconds to watch each phase", value=0, min=0).props("outlined dense")
        approval = ui.checkbox("An operator approves each phase after the first")
        told_of = html.div().style("display: contents")

        def request() -> CampaignRequest:
            sizes = [one.strip() for one in str(phases.value).split(",") if one.strip()]
            steps = [
                {"size": one, "soak": float(soak.value or 0), "approval": bool(approval.value and number)}
                for number, one in enumerate(sizes)
            ]
            return CampaignRequest(
                model=model.name, version=model.version, filter=filter_box.value or None, plan={"phases": steps}
            )

        async def preview() -> None:
            answer = await visit.client.preview_campaign(request())
            told_of.clear()
            with told_of, html.div().classes("note"):
                ui.label(
                    ", ".join(f"{count:,} {state}" for state, count in answer.tally.items())
                    + f"; {size(answer.package_bytes)} over the air, {answer.compilations:,} compilations."
                )
                for device in [one for one in answer.devices if one.reason][:10]:
                    ui.label(f"{device.endpoint}: {device.reason}").classes("small")

        async def start() -> None:
            campaign = await visit.client.start_campaign(request())
            go(address("/campaign", id=campaign.id))

        with html.div().classes("row-of"):
            act_button("Start the campaign", start, icon="rocket_launch", kind="main")
            act_button("Preview", preview, icon="visibility")
