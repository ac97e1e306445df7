"""What came out of compiling: figures per target, layers, the memory plan, and the module to download."""

from nicegui import html, ui

from lwm2m_ml.client.schemas import ExplainedLayer, Explanation
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.memory_plan import memory_plan
from lwm2m_ml.web.parts.words import facts, number, size
from lwm2m_ml.web.visit import Visit

TARGETS = (
    Column("target", "Target"),
    Column("flash", "Flash", numeric=True),
    Column("ram", "RAM", numeric=True),
    Column("instructions", "Instructions", numeric=True),
    Column("macs", "MACs", numeric=True),
    Column("exact", "Proved"),
)
LAYERS = (
    Column("number", "#", numeric=True),
    Column("kernel", "Kernel"),
    Column("shape", "Result"),
    Column("macs", "MACs", numeric=True),
    Column("instructions", "Instructions", numeric=True),
    Column("share", "Share", numeric=True),
    Column("weights", "Flash B", numeric=True),
    Column("ram", "RAM B", numeric=True),
    Column("peak", ""),
)


def show_explanations(visit: Visit, explanations: list[Explanation], name: str) -> None:
    """Show what was compiled, all targets side by side and then each."""
    if not explanations:
        return
    with html.section().classes("panel"):
        html.h2("3. What came out")
        listing = Listing(TARGETS, empty="Nothing was compiled.", name="Compiled targets")
        listing.show([_target(one) for one in explanations])
    for one in explanations:
        with html.section().classes("panel"):
            _explain(visit, one, name)


def _explain(visit: Visit, one: Explanation, name: str) -> None:
    async def download() -> None:
        content = await visit.client.explained_module(one.archive)
        ui.download.content(content, f"{name}-{one.variant}-{one.target}.zip", "application/zip")

    with html.div().classes("row-of"):
        html.h2(f"{one.variant} on {one.target}")
        html.span().classes("grow")
        act_button(f"Download the module ({size(one.archive_bytes)})", download, icon="download")
    facts(
        ("Flash", size(one.flash_bytes)),
        ("RAM", size(one.ram_bytes)),
        ("of it arena", f"{size(one.arena_bytes)}, no plan below {size(one.lower_bound_arena_bytes)}"),
        ("of it stack", size(one.stack_bytes)),
        ("Instructions", number(one.instructions)),
    )
    total = sum(layer.instructions for layer in one.layers) or 1
    listing = Listing(LAYERS, empty="The module has no layers.", name=f"Layers on {one.target}")
    listing.show([_layer(index, layer, total, one.peak_layer) for index, layer in enumerate(one.layers)])
    html.h3("Memory plan")
    how = "Steps from left to right, addresses from bottom to top; each rectangle is a buffer."
    ui.label(how).classes("muted small")
    with html.div().classes("picture").props('tabindex="0" role="group" aria-label="Memory plan"'):
        ui.html(memory_plan(one), sanitize=False)


def _target(one: Explanation) -> Row:
    exact = {True: "bit for bit", False: "within its bounds", None: "by nobody"}[one.exact]
    return Row(
        one.target,
        {
            "target": one.target,
            "flash": size(one.flash_bytes),
            "ram": size(one.ram_bytes),
            "instructions": number(one.instructions),
            "macs": number(one.macs),
            "exact": exact,
        },
        kinds={"exact": "good" if one.exact else "warn"},
    )


def _layer(index: int, layer: ExplainedLayer, total: int, peak: int) -> Row:
    return Row(
        str(index),
        {
            "number": str(index),
            "kernel": layer.kernel,
            "shape": "×".join(map(str, layer.result_shape)),
            "macs": number(layer.macs),
            "instructions": number(layer.instructions),
            "share": f"{layer.instructions / total:.0%}",
            "weights": number(layer.weight_bytes),
            "ram": number(layer.ram_bytes),
            "peak": "RAM peak" if index == peak else "",
        },
        kinds={"peak": "warn"},
    )
