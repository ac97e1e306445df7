"""How models on a device are wired, as operators see and change it: AI Model Configuration (object 513).

What is asked for is checked here as far as it can be without the device: links and expressions that can be read, names
that exist. What only the device knows (whether a resource is there, whether models would wait for each other) it checks
itself, and its answer is told.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lwm2m_ml.errors import Lwm2mMlError, NotFoundError
from lwm2m_ml.lwm2m.model_wiring import CONDITION, Wire, Wiring, WiringError, read_link
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.devices import Devices
from lwm2m_ml.service.plain_values import Plain
from lwm2m_ml.service.resources import MODEL_CONFIGURATION_OBJECT, ConfigurationResource, ModelResource

NEVER = "false"
"""The condition of a model that is being wired anew: half of a wiring means something else than the whole."""


@dataclass(frozen=True, slots=True)
class ModelConfiguration:
    """One slot: the model in it (empty texts where there is none, or it is not told) and how it is wired."""

    slot: int
    model: str
    version: str
    enabled: bool
    wiring: Wiring


@dataclass(frozen=True, slots=True)
class WireText:
    """A wire as operators write it: `link` is a CoRE link, or empty for the device's own sensor."""

    label: str
    link: str = ""
    transform: str = ""


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """What is to change; None leaves it as it is."""

    inputs: Sequence[WireText] | None = None
    outputs: Sequence[WireText] | None = None
    condition: str | None = None
    enabled: bool | None = None

    def applied(self, wiring: Wiring) -> Wiring:
        """Return a wiring with the change; raises `WiringError` for one that no device could follow."""
        changed = replace(
            wiring,
            inputs=wiring.inputs if self.inputs is None else tuple(map(_wire, self.inputs)),
            outputs=wiring.outputs if self.outputs is None else tuple(map(_wire, self.outputs)),
            condition=wiring.condition if self.condition is None else self.condition,
        )
        changed.check()
        return changed


class ModelConfigurations:
    """Reads and writes the configurations of devices; `behind` is the prefix of a device behind a gateway."""

    def __init__(self, devices: Devices, *, model_object: int) -> None:
        self._devices = devices
        self._model_object = model_object

    async def read(self, endpoint: str, *, behind: str = "") -> tuple[ModelConfiguration, ...]:
        """Return the configurations of a device, by slot; raises `NotFoundError` when it has none."""
        try:
            records = await self._devices.read(endpoint, str(ObjectPath(MODEL_CONFIGURATION_OBJECT)), behind=behind)
        except DeviceError as error:
            raise NotFoundError(
                f"{endpoint} has no AI Model Configuration ({error.message})", hint="Its models cannot be wired"
            ) from error
        slots: dict[int, dict[int, Value | dict[int, Value]]] = {}
        for record in records:
            _put(slots, record)
        names = await self._names(endpoint, behind)
        return tuple(_configuration(slot, values, names.get(slot, "")) for slot, values in sorted(slots.items()))

    async def change(
        self, endpoint: str, slot: int, change: ConfigurationChange, *, behind: str = ""
    ) -> ModelConfiguration:
        """Change the configuration of a slot, and return what the device makes of it.

        Each resource is written by itself, in an order in which each only needs what came before; the model pauses
        meanwhile. A device that refuses one of them (`DeviceError`, with its reason) keeps those that it took.
        """
        before = await self._slot(endpoint, slot, behind)
        wanted, had = change.applied(before.wiring).resources(), before.wiring.resources()
        path = ObjectPath(MODEL_CONFIGURATION_OBJECT, slot)

        async def write(resource: int, value: Plain | Mapping[int, str]) -> None:
            target = path.child(resource)
            plain = {str(target.child(i)): text for i, text in value.items()} if isinstance(value, Mapping) else value
            await self._devices.write(endpoint, str(target), plain, behind=behind)

        wires = {number: value for number, value in wanted.items() if number != CONDITION and value != had[number]}
        if wires:
            await write(CONDITION, NEVER)
            try:
                for number, value in wires.items():
                    await write(number, value)
            except Lwm2mMlError:
                with suppress(Lwm2mMlError):
                    await write(CONDITION, had[CONDITION])
                raise
        if wires or wanted[CONDITION] != had[CONDITION]:
            await write(CONDITION, wanted[CONDITION])
        if change.enabled is not None and change.enabled != before.enabled:
            await write(ConfigurationResource.ENABLED, change.enabled)
        return await self._slot(endpoint, slot, behind)

    async def _slot(self, endpoint: str, slot: int, behind: str) -> ModelConfiguration:
        found = await self.read(endpoint, behind=behind)
        for one in found:
            if one.slot == slot:
                return one
        known = ", ".join(str(one.slot) for one in found)
        raise NotFoundError(f"{endpoint} has no slot {slot}", hint=f"It has: {known or 'none'}")

    async def _names(self, endpoint: str, behind: str) -> Mapping[int, str]:
        """The names of the models, where ML Model tells them."""
        try:
            records = await self._devices.read(endpoint, str(ObjectPath(self._model_object)), behind=behind)
        except DeviceError:
            return {}
        links, names = dict[int, int](), dict[int, str]()
        for record in records:
            instance, resource, value = record.path.instance_id or 0, record.path.resource_id, record.value
            if resource == ModelResource.NAME and isinstance(value, str):
                names[instance] = value
            if resource == ModelResource.SOFTWARE_MANAGEMENT and isinstance(value, ObjectLink):
                links[instance] = value.instance_id if value.object_id == MODEL_CONFIGURATION_OBJECT else -1
        return {links.get(instance, instance): name for instance, name in names.items()}


def _wire(text: WireText) -> Wire:
    if not text.label:
        raise WiringError("Every input and output needs a label", hint="The name of an input or output of the model")
    return Wire(read_link(text.link), text.label, text.transform)


def _put(slots: dict[int, dict[int, Value | dict[int, Value]]], record: Record) -> None:
    path, value = record.path, record.value
    if path.instance_id is None or path.resource_id is None or value is None:
        return
    values = slots.setdefault(path.instance_id, {})
    if path.resource_instance_id is None:
        values[path.resource_id] = value
        return
    several = values.setdefault(path.resource_id, {})
    if isinstance(several, dict):
        several[path.resource_instance_id] = value


def _configuration(slot: int, values: Mapping[int, Value | dict[int, Value]], model: str) -> ModelConfiguration:
    return ModelConfiguration(
        slot=slot,
        model=model,
        version=str(values.get(ConfigurationResource.VERSION, "")),
        enabled=values.get(ConfigurationResource.ENABLED) is True,
        wiring=Wiring.of(values),
    )
