"""The zoo: models, their versions, and where each runs."""

from nicegui import html, ui

from lwm2m_ml.client.schemas import Model
from lwm2m_ml.web.parts.links import link
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import NOTHING, number
from lwm2m_ml.web.visit import Visit, address, page

REFRESH_SECONDS = 10.0
COLUMNS = (
    Column("name", "Model"),
    Column("version", "Version"),
    Column("aliases", "Aliases"),
    Column("variants", "Variants", numeric=True),
    Column("accuracy", "Best accuracy", numeric=True),
    Column("devices", "Devices", numeric=True),
    Column("description", "What it does"),
)


@page("/models", "Models")
async def models_page(visit: Visit) -> None:
    """Build the page."""
    with html.div().classes("head"):
        html.h1("Models")
        html.span().classes("grow")
        link("Add a model", address("/compile"))
    listing = Listing(COLUMNS, empty="The zoo is empty. Add a model on the page Compile.", name="Models")

    async def refresh() -> None:
        running = (await visit.client.fleet()).running
        listing.show([_row(model, running) for model in await visit.client.models()])

    await refresh()
    ui.timer(REFRESH_SECONDS, told(refresh), immediate=False)


def _row(model: Model, running: dict[str, int]) -> Row:
    accuracies = [variant.accuracy for variant in model.variants if variant.accuracy is not None]
    return Row(
        key=model.name,
        values={
            "name": model.name,
            "version": model.version,
            "aliases": ", ".join(model.aliases) or NOTHING,
            "variants": number(len(model.variants)),
            "accuracy": f"{max(accuracies):.2f} %" if accuracies else NOTHING,
            "devices": number(running.get(f"{model.name} {model.version}", 0)),
            "description": model.description,
        },
        links={
            "name": address("/model", name=model.name, version=model.version),
            "devices": address("/", running=f"{model.name} {model.version}"),
        },
    )
