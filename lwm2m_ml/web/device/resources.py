"""Objects and resources of a device, live: read, written, executed, observed."""

import asyncio
from collections.abc import Mapping

from nicegui import html, ui

from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas import Device, Plain, ResourceDefinition, ResourceValue
from lwm2m_ml.errors import UsageError
from lwm2m_ml.web.parts.asking import ask
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.following import follow
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import tell, told
from lwm2m_ml.web.parts.words import moment
from lwm2m_ml.web.visit import Visit

COLUMNS = (Column("path", "Path"), Column("name", "Resource"), Column("value", "Value"), Column("type", "Type"))
READ, WRITE, EXECUTE, OBSERVE, STOP = "Read", "Write", "Execute", "Observe", "Stop"
LONGEST_SHOWN = 200
NOT_FOUND = 404


class Resources:
    """The resources of one object instance on the page."""

    def __init__(self, visit: Visit, endpoint: str) -> None:
        self._client = visit.client
        self._acts = visit.may("operator")
        self._endpoint = endpoint
        self._listing = Listing(
            COLUMNS, empty="The device told nothing of this instance.", name="Resources", pressed=self.press
        )
        self._path = ""
        self._defined: dict[int, ResourceDefinition] = {}
        self._values: dict[int, list[ResourceValue]] = {}
        self._observed: dict[int, asyncio.Task[None]] = {}

    async def open(self, path: str) -> None:
        """Show an instance, such as `/3/0`, and read it."""
        for task in self._observed.values():
            task.cancel()
        self._observed.clear()
        self._values.clear()
        self._path, self._defined = path, {}
        try:
            definition = await self._client.object_definition(int(path.split("/")[1]))
            self._defined = {resource.id: resource for resource in definition.resources}
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
        self._show()
        await self.read()

    async def read(self) -> None:
        """Read the whole instance again."""
        self._take(await self._client.read(self._endpoint, self._path))

    async def press(self, button: str, key: str) -> None:
        """Do what a button of a resource says."""
        number, path = int(key), f"{self._path}/{key}"
        if button == READ:
            self._take(await self._client.read(self._endpoint, path))
        elif button == WRITE:
            await self._write(number, path)
        elif button == EXECUTE:
            await self._execute(number, path)
        elif button == OBSERVE:
            stream = self._client.observe(self._endpoint, path)
            self._observed[number] = follow(stream, self._take, lambda: self._ended(number))
            self._show()
        elif button == STOP and number in self._observed:
            self._observed[number].cancel()

    def _ended(self, number: int) -> None:
        self._observed.pop(number, None)
        self._show()

    def _take(self, values: list[ResourceValue]) -> None:
        fresh: dict[int, list[ResourceValue]] = {}
        for value in values:
            parts = value.path.split("/")
            if "/".join(parts[:3]) == self._path and len(parts) > 3:
                fresh.setdefault(int(parts[3]), []).append(value)
        self._values |= fresh
        self._show()

    def _show(self) -> None:
        numbers = sorted(self._defined.keys() | self._values.keys())
        self._listing.show([self._row(number) for number in numbers if self._is_shown(number)])

    def _is_shown(self, number: int) -> bool:
        """Optional resources that the device does not have are not shown."""
        definition = self._defined.get(number)
        return number in self._values or definition is None or "R" not in definition.operations

    def _row(self, number: int) -> Row:
        definition = self._defined.get(number)
        values = self._values.get(number, [])
        observed = number in self._observed
        kind = definition.type if definition else (values[0].type if values else "")
        units = f" {definition.units}" if definition and definition.units and values else ""
        return Row(
            key=str(number),
            values={
                "path": f"{self._path}/{number}",
                "name": (definition.name if definition else "not defined here") + (" · observed" if observed else ""),
                "value": _text(values) + units,
                "type": kind.lower() or "–",
            },
            buttons=self._buttons(definition, observed),
        )

    def _buttons(self, definition: ResourceDefinition | None, observed: bool) -> tuple[str, ...]:
        operations = definition.operations if definition else "R"
        buttons = [READ, STOP if observed else OBSERVE] if "R" in operations else []
        if self._acts:
            buttons += [WRITE] if "W" in operations else []
            buttons += [EXECUTE] if "E" in operations else []
        return tuple(buttons)

    async def _write(self, number: int, path: str) -> None:
        definition = self._defined.get(number)
        multiple = definition is not None and definition.multiple
        values = self._values.get(number, [])
        now = _lines(values) if multiple else (str(values[0].value) if values else "")
        hint = "One ID=VALUE on each line" if multiple else "Opaque values in base64, times in Unix seconds, links 3:0"
        text = await ask(f"Write {path}", definition.name if definition else "Value", now, hint, lines=multiple)
        if text is None:
            return
        await self._client.write(self._endpoint, path, _parsed(path, text) if multiple else text)
        tell(f"{path} was written")
        if definition is not None and "R" in definition.operations:
            self._take(await self._client.read(self._endpoint, path))

    async def _execute(self, number: int, path: str) -> None:
        definition = self._defined.get(number)
        name = definition.name if definition else path
        text = await ask(
            f"Execute {path}, {name}", "Arguments", "", "Such as 0='reboot',1; most take none", lines=False
        )
        if text is None:
            return
        await self._client.execute(self._endpoint, path, text)
        tell(f"{name} was executed")
        await self.read()


async def resources_part(visit: Visit, device: Device) -> None:
    """Build the part."""
    names = {one.id: one.name for one in await visit.client.objects()}
    instances = {
        path: f"{path} {names.get(int(path.split('/')[1]), '')}" for path in device.objects if path.count("/") == 2
    }
    if not instances:
        ui.label("The device registered no object instance.").classes("note")
        return
    with html.section().classes("panel"):
        with html.div().classes("row-of"):
            first = "/3/0" if "/3/0" in instances else next(iter(instances))
            chosen = ui.select(instances, label="Object instance", value=first).props("outlined dense options-dense")
            chosen.classes("grow").style("max-width: 420px")
            buttons = html.div()
        shown = Resources(visit, device.endpoint)
        with buttons:
            act_button("Read again", shown.read, icon="refresh")

    async def change() -> None:
        await shown.open(str(chosen.value))

    chosen.on_value_change(told(change))
    await told(change)()


def _parsed(path: str, text: str) -> Mapping[str, Plain]:
    values: dict[str, Plain] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        number, equals, value = line.partition("=")
        if not equals or not number.strip().isdecimal():
            raise UsageError(f"{line[:40]!r} is no ID=VALUE", hint="Write one such as 0=value on each line")
        values[f"{path}/{number.strip()}"] = value.strip()
    if not values:
        raise UsageError("No value is given", hint="Write one ID=VALUE on each line")
    return values


def _lines(values: list[ResourceValue]) -> str:
    return "\n".join(f"{value.path.rsplit('/', 1)[1]}={value.value}" for value in values)


def _text(values: list[ResourceValue]) -> str:
    """The value of a resource, those of its instances with their ids."""
    if len(values) == 1 and values[0].path.count("/") == 3:
        return _short(values[0])
    return ", ".join(f"{value.path.rsplit('/', 1)[1]}: {_short(value)}" for value in values)[:LONGEST_SHOWN]


def _short(value: ResourceValue) -> str:
    if value.type == "time" and isinstance(value.value, int | float):
        return moment(float(value.value))
    if isinstance(value.value, float):
        return f"{value.value:.6g}"
    text = "" if value.value is None else str(value.value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
