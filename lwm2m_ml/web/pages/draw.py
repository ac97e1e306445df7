"""Draw a digit: a device recognises it on its own processor, and answers over LwM2M."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import html, ui

from lwm2m_ml.client.schemas import Deployment, Device, Inference
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.digit import PIXELS, pixels
from lwm2m_ml.web.parts.links import link
from lwm2m_ml.web.parts.objects import PROBE, number_of
from lwm2m_ml.web.parts.pad import Pad
from lwm2m_ml.web.parts.progress import waited_for
from lwm2m_ml.web.parts.telling import told
from lwm2m_ml.web.parts.words import facts, number
from lwm2m_ml.web.visit import Visit, address, page

MODEL = "digits"
FINAL = frozenset({"active", "refused", "failed"})


@page("/draw", "Draw a digit")
async def draw_page(visit: Visit) -> None:
    """Build the page."""
    html.h1("Draw a digit")
    html.p(
        "Draw with the mouse or a finger, choose a device, and send it. What you drew becomes 8 × 8 pixels, which the "
        "device gets over LwM2M; its own processor runs the model that was compiled for it."
    ).classes("lead")
    desk = Desk(visit)
    with html.div().classes("grid-2"):
        with html.section().classes("panel"):
            html.h2("Your digit")
            desk.pad = Pad(desk.drawn)
            desk.preview = html.div().classes("row-of muted small")
            devices = html.div().style("display: contents")
            with html.div().classes("row-of"):
                act_button("Send to the device", desk.send, icon="send", kind="main")
                ui.button("Clear", color=None, on_click=desk.clear).props("unelevated no-caps").classes("act")
        with html.section().classes("panel").props('aria-live="polite"'):
            html.h2("The device's answer")
            desk.answer = html.div().style("display: contents")
            with desk.answer:
                ui.label("Nothing was sent yet.").classes("muted")

    async def choose() -> None:
        found = await _devices(visit)
        devices.clear()
        with devices:
            if found:
                desk.choose(found)
            else:
                _offer(visit, told(choose))

    await told(choose)()


class Desk:
    """What is drawn, who it goes to, and what came back."""

    pad: Pad
    preview: html.div
    answer: html.div

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._wanted = visit.asked("endpoint")
        self._select: ui.select | None = None

    def choose(self, devices: Sequence[Device]) -> None:
        """Offer devices; the one that the address names is chosen."""
        names = {one.endpoint: f"{one.endpoint} · {', '.join(one.running)}" for one in devices}
        chosen = self._wanted if self._wanted in names else next(iter(names))
        self._select = ui.select(names, label="Device", value=chosen, with_input=len(names) > 10)
        self._select.props("outlined dense options-dense").style("width: 100%")

    def drawn(self) -> None:
        """Show the pixels that the device will get."""
        values = pixels(self.pad.dots)
        self.preview.clear()
        with self.preview:
            if values:
                ui.html(_picture(values), sanitize=False)
                ui.label("This is what the device sees.")

    def clear(self) -> None:
        """Begin anew."""
        self.pad.clear_dots()
        self.drawn()

    async def send(self) -> None:
        """Have the chosen device infer what was drawn."""
        values = pixels(self.pad.dots)
        if not values or self._select is None:
            text = "Draw a digit first." if self._select else "No device runs the model yet: deploy it first."
            ui.notify(text, type="warning", position="top")
            return
        endpoint = str(self._select.value)
        answer = await self._visit.client.infer(endpoint, values)
        exact = await self._is_exact(answer, values)
        self.answer.clear()
        with self.answer:
            _show(answer, exact)

    async def _is_exact(self, answer: Inference, values: list[float]) -> bool | None:
        """Whether the device answered bit for bit as the integer reference; None when that is of another version."""
        model = await self._visit.client.model(answer.model)
        if model.version != answer.version:
            return None
        reference = await self._visit.client.reference(answer.model, answer.variant, [values])
        return reference.outputs[0] == answer.outputs


async def _devices(visit: Visit) -> list[Device]:
    """Devices with a probe that run a model for digits; the one that was asked for in any case."""
    probe = await number_of(visit.client, PROBE)
    found = await visit.client.devices(object_id=probe, filter=f"model={MODEL}*")
    wanted = visit.asked("endpoint")
    if wanted and wanted not in {one.endpoint for one in found}:
        found.insert(0, await visit.client.device(wanted))
    return found


def _offer(visit: Visit, again: Callable[[], Awaitable[None]]) -> None:
    """No device runs the model: offer to deploy it."""
    with html.div().classes("note"):
        ui.label(f"No device that takes inputs runs the model {MODEL} yet.")
        if not visit.may("operator"):
            ui.label("Ask an operator to deploy it.")
            return

        async def deploy() -> None:
            deployment = await visit.client.deploy(MODEL)

            async def state() -> tuple[float, str, bool]:
                return _how_far(await visit.client.deployment(deployment.id))

            await waited_for(state)
            await again()

        with html.div().classes("row-of").style("margin-top: 8px"):
            act_button("Deploy it to every device that fits", deploy, icon="rocket_launch", kind="main")


def _how_far(deployment: Deployment) -> tuple[float, str, bool]:
    ended = sum(device.state in FINAL for device in deployment.devices)
    total = len(deployment.devices)
    return ended / max(1, total), f"{ended} of {total} devices done", deployment.finished


def _show(answer: Inference, exact: bool | None) -> None:
    with html.div().classes("row-of"):
        html.div(answer.label or str(answer.class_index)).classes("answer num").props('data-testid="answer"')
        with html.div():
            link(answer.endpoint, address("/device", endpoint=answer.endpoint))
            ui.label(f"{answer.model} {answer.version}, {answer.variant}").classes("muted")
            if exact is not None:
                text = "bit for bit as the integer reference" if exact else "not as the integer reference"
                ui.label(text).classes(f"tag {'good' if exact else 'bad'}")
    with html.div().classes("bars").props('role="list" aria-label="Scores in percent"'):
        for index, score in enumerate(answer.scores):
            _bar(str(index), score, best=index == answer.class_index)
    latency = "–" if answer.latency is None else f"{answer.latency:,.3f} ms at its clock"
    facts(("Instructions", number(answer.instructions)), ("Latency", latency))


def _bar(name: str, score: float, *, best: bool) -> None:
    with html.div().classes("bar-row num" + (" best" if best else "")).props('role="listitem"'):
        html.span(name)
        with html.div().classes("of"):
            html.div().classes("is").style(f"width: {max(0.0, min(score, 100.0)):.2f}%")
        html.span(f"{score:.1f} %").style("text-align: right")


def _picture(values: Sequence[float]) -> str:
    squares = "".join(
        f'<rect x="{place % PIXELS}" y="{place // PIXELS}" width="1" height="1" fill-opacity="{value:.3f}"/>'
        for place, value in enumerate(values)
    )
    return (
        f'<svg viewBox="0 0 {PIXELS} {PIXELS}" width="72" height="72" role="img" aria-label="8 by 8 pixels"'
        f' style="background:#fff;border-radius:4px;display:block">{squares}</svg>'
    )
