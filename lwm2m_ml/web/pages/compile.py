"""Upload a model, compile it for targets, see what each layer costs and where its memory lies, download the module."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import html, ui
from nicegui.events import UploadEventArguments

from lwm2m_ml.client.schemas import Explanation, Job, Model, Target
from lwm2m_ml.client.schemas.zoo import CalibrationToAdd, ModelToAdd, VariantToAdd
from lwm2m_ml.errors import UsageError
from lwm2m_ml.web.parts.arrays import array_in
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.explained import show_explanations
from lwm2m_ml.web.parts.links import link
from lwm2m_ml.web.parts.progress import JobBar
from lwm2m_ml.web.parts.telling import tell, told
from lwm2m_ml.web.parts.words import size
from lwm2m_ml.web.visit import Visit, address, page

LARGEST_MIB = 64
COMMON = ("nrf52840", "stm32f746", "esp32-c3")


@dataclass(slots=True)
class Uploaded:
    """What was uploaded so far: the digests of files that the server keeps, and their names."""

    model: str = ""
    model_name: str = ""
    calibration: str = ""
    array: str = ""
    """The array in the calibration file that holds the inputs."""


@page("/compile", "Compile")
async def compile_page(visit: Visit) -> None:
    """Build the page."""
    html.h1("Compile")
    html.p(
        "A model becomes a module for exactly one kind of processor: quantised, planned, generated, and proved on the "
        "emulated processor before it leaves."
    ).classes("lead")
    if not visit.may("operator"):
        ui.label("Compiling needs the scope operator. Log in with another token.").classes("note warn")
        return
    bench = Bench(visit, await visit.client.models(), await visit.client.targets())
    bench.build_upload()
    bench.build_choice()
    bench.results = html.div().style("display: contents")


class Bench:
    """The model that is chosen, the targets, and what came out."""

    results: html.div
    model: ui.select
    variant: ui.select
    targets: ui.select

    def __init__(self, visit: Visit, models: list[Model], targets: list[Target]) -> None:
        self._visit = visit
        self._models = {_named(model): model for model in models}
        self._targets = targets
        self._uploaded = Uploaded()

    def build_upload(self) -> None:
        """Take a file into the zoo."""
        upload = ui.expansion("1. Upload a model", icon="upload_file", value=not self._visit.asked("model"))
        with upload, html.div().classes("panel").style("border: 0"):
            with html.div().classes("row-of"):
                self._upload("Choose the model: ONNX, TFLite or Keras", ".onnx,.tflite,.keras,.h5", self._take_model)
                self._upload("Choose calibration inputs: .npz", ".npz", self._take_calibration)
            with html.div().classes("row-of"):
                self._name = ui.input("Name").props("outlined dense")
                self._version = ui.input("Version", value="1.0.0").props("outlined dense")
                self._accuracy = ui.number("Accuracy, %", min=0, max=100).props("outlined dense")
                self._accuracy.style("min-width: 140px")
                self._labels = ui.input("Classes, with commas").props("outlined dense").classes("grow")
            with html.div().classes("row-of"):
                act_button("Add to the zoo", self._add, icon="add", kind="main")
                self._said = ui.label("No file was uploaded yet.").classes("muted small").props('role="status"')

    def build_choice(self) -> None:
        """Choose what is compiled for what."""
        names = list(self._models)
        wanted = f"{self._visit.asked('model')} {self._visit.asked('version')}".strip()
        with html.section().classes("panel"):
            html.h2("2. Choose targets")
            with html.div().classes("row-of"):
                first = wanted if wanted in names else names[0] if names else None
                self.model = ui.select(names, label="Model", value=first).props("outlined dense options-dense")
                self.variant = ui.select([], label="Variant").props("outlined dense options-dense")
                self.variant.style("min-width: 160px")
            offered = {one.name: f"{one.name} · {one.title}" for one in self._targets}
            chosen = [name for name in COMMON if name in offered][:2]
            self.targets = ui.select(offered, label="Targets", value=chosen, multiple=True, with_input=True)
            self.targets.props("outlined dense options-dense use-chips").style("width: 100%")
            with html.div().classes("row-of"):
                act_button("Compile", self._compile, icon="build", kind="main")
                self._deploy = link("Deploy this model", "").classes("grow")
            self.progress = html.div().style("display: contents")
        self.model.on_value_change(self._show_variants)
        self._show_variants()
        if self._visit.asked("variant") in self.variant.options:
            self.variant.set_value(self._visit.asked("variant"))

    def _show_variants(self) -> None:
        model = self._models.get(str(self.model.value))
        names = [variant.name for variant in model.variants] if model else []
        self.variant.set_options(names, value=names[0] if names else None)
        if model:
            self._deploy.props["href"] = address("/model", name=model.name, version=model.version, tab="Deploy")

    def _upload(self, label: str, accepted: str, take: Callable[[UploadEventArguments], Awaitable[None]]) -> None:
        """A button that takes a file; Quasar's own part has buttons without names, so it stays hidden."""
        box = ui.upload(max_file_size=LARGEST_MIB << 20, auto_upload=True, on_upload=take)
        box.props(f'accept="{accepted}"').classes("hidden-upload")
        box.on_rejected(lambda: ui.notify(f"Files are {accepted}, of at most {LARGEST_MIB} MiB.", type="warning"))
        button = ui.button(label, icon="upload_file", color=None, on_click=lambda: box.run_method("pickFiles"))
        button.props("unelevated no-caps").classes("act")

    async def _take_model(self, event: UploadEventArguments) -> None:
        await told(self._keep_model)(event)

    async def _keep_model(self, event: UploadEventArguments) -> None:
        content = await event.file.read()
        self._said.set_text(f"Storing {event.file.name}, {size(len(content))}")
        stored = await self._visit.client.store_file(content)
        stem = event.file.name.rpartition(".")[0] or event.file.name
        self._uploaded.model, self._uploaded.model_name = stored.digest, stem
        self._name.set_value(self._name.value or stem)
        self._said.set_text(f"{event.file.name} is stored; add it to the zoo.")

    async def _take_calibration(self, event: UploadEventArguments) -> None:
        await told(self._keep_calibration)(event)

    async def _keep_calibration(self, event: UploadEventArguments) -> None:
        content = await event.file.read()
        self._uploaded.array = array_in(content)
        self._uploaded.calibration = (await self._visit.client.store_file(content)).digest
        self._said.set_text(f"{event.file.name} is stored for the quantiser.")

    async def _add(self) -> None:
        up = self._uploaded
        if not up.model:
            raise UsageError("No model was uploaded yet", hint="Choose a file first")
        calibration = CalibrationToAdd(digest=up.calibration, array=up.array) if up.calibration else None
        added = await self._visit.client.add_model(
            ModelToAdd(
                name=str(self._name.value or ""),
                version=str(self._version.value or ""),
                variants=[VariantToAdd(name=up.model_name, digest=up.model, accuracy=self._accuracy.value)],
                labels=[one.strip() for one in str(self._labels.value or "").split(",") if one.strip()],
                calibration=calibration,
            )
        )
        self._models[_named(added)] = added
        self.model.set_options(list(self._models), value=_named(added))
        self._said.set_text(f"{_named(added)} is in the zoo.")
        tell(f"{_named(added)} is in the zoo")

    async def _compile(self) -> None:
        model, targets = self._models.get(str(self.model.value)), list(self.targets.value or ())
        if model is None or not targets:
            raise UsageError("Nothing is chosen", hint="Choose a model and at least one target")
        self.progress.clear()
        self.results.clear()
        jobs: list[tuple[JobBar, Job]] = []
        for target in targets:
            with self.progress:
                bar = JobBar(target)
            job = await self._visit.client.explain_variant(
                model.name, str(self.variant.value), target, version=model.version
            )
            jobs.append((bar, job))
        done: list[Explanation] = []
        for bar, job in jobs:
            ended = await told(bar.follow)(self._visit.client, job)
            if ended is not None:
                done.append(Explanation.model_validate(ended.result))
        with self.results:
            show_explanations(self._visit, done, f"{model.name}-{model.version}")


def _named(model: Model) -> str:
    return f"{model.name} {model.version}"
