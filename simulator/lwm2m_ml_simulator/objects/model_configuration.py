"""Object 513, AI Model Configuration: one instance per module slot, through which a module can come, too.

A package is written to Model, or its address to Model URI; Enabled puts it on trial. What it says of itself is in
object 42770. How it is wired is checked when it is written, kept, and followed from the next inference on.
"""

from collections.abc import Callable, Mapping

from aiocoap import Code

from lwm2m_ml.lwm2m.model_wiring import (
    BEFORE,
    CONDITION,
    INPUT_LABELS,
    INPUT_TRANSFORMS,
    INPUTS,
    MAXIMUM_WIRES,
    OUTPUT_LABELS,
    OUTPUT_TRANSFORMS,
    OUTPUTS,
    VALUE,
    Wiring,
    WiringError,
    check_names,
    name_of,
    read_expression,
    read_link,
)
from lwm2m_ml.lwm2m.ni import parse_ni
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.device.object_ids import MODEL_CONFIGURATION
from lwm2m_ml_simulator.inference.links import Links
from lwm2m_ml_simulator.inference.order import Order
from lwm2m_ml_simulator.modules.intake import Intake, Phase
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.slots import IN_USE
from lwm2m_ml_simulator.objects.base import ObjectInstance, OperationRefused, ResourceValue, readable, writable

_MAXIMUM_TEXT_BYTES = 512
DESCRIPTION_URL, URI, INTEGRITY = 3, 4, 5


class ModelConfiguration(ObjectInstance):
    """The configuration of the model in one slot. `on_change` is called when its wiring changed."""

    object_id = MODEL_CONFIGURATION

    def __init__(self, modules: ModuleManager, intake: Intake, links: Callable[[], Links]) -> None:
        super().__init__(intake.number)
        self.on_change: Callable[[], None] = lambda: None
        self._modules = modules
        self._intake = intake
        self._links = links
        self._kept = modules.configurations
        intake.expected_digest = self.expected_digest

    def expected_digest(self) -> bytes | None:
        """Return the SHA-256 that the package must have, None when nobody said."""
        integrity = self._get(INTEGRITY)
        return parse_ni(integrity) if isinstance(integrity, str) and integrity else None

    @property
    def _module(self) -> LoadedModule | None:
        return self._modules.loaded(self.instance_id)

    @writable(1)
    def write_model(self, value: ResourceValue) -> None:
        """Model: a package, taken in at once (push). It cannot be read: a model is its owner's."""
        self._refuse_while_in_use()
        if not isinstance(value, bytes):
            raise OperationRefused(Code.BAD_REQUEST, "a model is opaque")
        self._keep(URI, "")
        self._intake.push(value)

    @readable(2)
    def model_version(self) -> str:
        """Version of the model."""
        return self._module.descriptor.model_version if self._module else ""

    @writable(2)
    def write_version(self, value: ResourceValue) -> None:
        """Take the version that a server thinks it is; what the signed descriptor says stays."""
        _text(value)

    @readable(DESCRIPTION_URL)
    def description_url(self) -> ResourceValue | None:
        """Description URL."""
        return self._get(DESCRIPTION_URL)

    @writable(DESCRIPTION_URL)
    def write_description_url(self, value: ResourceValue) -> None:
        """Keep where to read about the model."""
        self._keep(DESCRIPTION_URL, _text(value))

    @readable(URI)
    def model_uri(self) -> ResourceValue:
        """Model URI; nothing where the slot is empty and nothing is fetched, so that servers see what a cut undid."""
        empty = self._modules.slot(self.instance_id).state is ModuleState.EMPTY
        return "" if empty and self._intake.phase is Phase.IDLE else self._get(URI) or ""

    @writable(URI)
    def write_model_uri(self, value: ResourceValue) -> None:
        """Model URI: fetched from now on (pull); an empty one gives up what was fetched and is not enabled."""
        self._refuse_while_in_use()
        uri = _text(value)
        # First the fetch, which outlives a power cut by itself: an address without a fetch would be waited for in vain.
        if uri:
            self._intake.pull(uri)
        elif self._modules.slot(self.instance_id).state in {ModuleState.EMPTY, ModuleState.STAGED}:
            self._intake.discard()
        self._keep(URI, uri)

    @readable(INTEGRITY)
    def integrity(self) -> ResourceValue:
        """Model Integrity: a ni URI."""
        return self._get(INTEGRITY) or ""

    @writable(INTEGRITY)
    def write_integrity(self, value: ResourceValue) -> None:
        """Keep the digest that the next package must have; an empty text is none."""
        text = _text(value)
        if text:
            parse_ni(text)
        self._keep(INTEGRITY, text)

    @readable(INPUTS)
    def inputs(self) -> ResourceValue:
        """Inputs: the device's own sensor, until a server says otherwise."""
        return self._resource(INPUTS)

    @writable(INPUTS)
    def write_inputs(self, value: ResourceValue) -> None:
        """Keep where inputs come from: resources that are there, and no circle of models."""
        texts = _texts(value)
        for text in texts.values():
            self._links().check_source(read_link(text))
        self._wire(INPUTS, texts)

    @readable(INPUT_TRANSFORMS)
    def input_transforms(self) -> ResourceValue | None:
        """Input transforms."""
        return self._get(INPUT_TRANSFORMS)

    @writable(INPUT_TRANSFORMS)
    def write_input_transforms(self, value: ResourceValue) -> None:
        """Keep expressions that can be read, of what is known."""
        self._wire(INPUT_TRANSFORMS, self._expressions(value, VALUE))

    @readable(INPUT_LABELS)
    def input_labels(self) -> ResourceValue:
        """Input labels: those of the module's inputs, until a server says otherwise."""
        return self._resource(INPUT_LABELS)

    @writable(INPUT_LABELS)
    def write_input_labels(self, value: ResourceValue) -> None:
        """Keep which input of the model each entry of Inputs feeds; one that feeds none is for expressions only."""
        texts = _texts(value)
        if len(set(map(name_of, texts.values()))) < len(texts):
            raise WiringError("two inputs have the same label")
        self._wire(INPUT_LABELS, texts)

    @readable(OUTPUTS)
    def outputs(self) -> ResourceValue:
        """Outputs: the inference result of this slot, until a server says otherwise."""
        return self._resource(OUTPUTS)

    @writable(OUTPUTS)
    def write_outputs(self, value: ResourceValue) -> None:
        """Keep where outputs go: what takes them, and no circle of models."""
        texts = _texts(value)
        for text in texts.values():
            self._links().check_target(read_link(text), self.instance_id)
        self._wire(OUTPUTS, texts)

    @readable(OUTPUT_TRANSFORMS)
    def output_transforms(self) -> ResourceValue | None:
        """Output transforms."""
        return self._get(OUTPUT_TRANSFORMS)

    @writable(OUTPUT_TRANSFORMS)
    def write_output_transforms(self, value: ResourceValue) -> None:
        """Keep expressions that can be read, of what is known."""
        outputs = self._module.descriptor.outputs if self._module else ()
        names = [name_of(tensor.name) for tensor in outputs]
        self._wire(OUTPUT_TRANSFORMS, self._expressions(value, VALUE, BEFORE, *names))

    @readable(OUTPUT_LABELS)
    def output_labels(self) -> ResourceValue:
        """Output labels: those of the module's outputs, until a server says otherwise."""
        return self._resource(OUTPUT_LABELS)

    @writable(OUTPUT_LABELS)
    def write_output_labels(self, value: ResourceValue) -> None:
        """Keep which output of the model each entry of Outputs takes; that of an input passes it on."""
        self._wire(OUTPUT_LABELS, _texts(value))

    @readable(13)
    def enabled(self) -> bool:
        """Enabled: whether the module is in use."""
        return self._modules.slot(self.instance_id).state in IN_USE

    @writable(13)
    async def write_enabled(self, value: ResourceValue) -> None:
        """Self-test, then trial; or take the module out of use. How a self-test went is told by object 42770."""
        if not isinstance(value, bool):
            raise OperationRefused(Code.BAD_REQUEST, "Enabled is true or false")
        if value and not self.enabled():
            await self._modules.activate(self.instance_id)
        elif not value:
            self._modules.deactivate(self.instance_id)

    @readable(CONDITION)
    def condition(self) -> ResourceValue | None:
        """Condition expression."""
        return self._get(CONDITION) or None

    @writable(CONDITION)
    def write_condition(self, value: ResourceValue) -> None:
        """Keep an expression that can be read, of what is known; an empty text is none."""
        text = _text(value)
        self._check_names(text)
        self._wire(CONDITION, text)

    def _get(self, resource: int) -> ResourceValue | None:
        return self._kept.get(self.instance_id, resource)

    def _resource(self, resource: int) -> ResourceValue:
        return self._resources_of(self.instance_id)[resource]

    def _resources_of(self, slot: int) -> dict[int, ResourceValue]:
        module = self._modules.loaded(slot)
        return self._kept.resources(slot, module.seen if module else None)

    def _labels(self, resource: int) -> list[str]:
        labels = self._resource(resource)
        return [name_of(str(label)) for label in labels.values()] if isinstance(labels, Mapping) else []

    def _expressions(self, value: ResourceValue, *names: str) -> dict[int, str]:
        texts = _texts(value)
        for text in texts.values():
            self._check_names(text, *names)
        return texts

    def _check_names(self, text: str, *more: str) -> None:
        """Refuse an expression that cannot be read; in a slot whose labels are not known yet, that is all."""
        known = [label for label in self._labels(INPUT_LABELS) if label]
        expression = read_expression(text)
        if known and expression is not None:
            check_names(repr(text[:60]), text, [*known, *more])

    def _wire(self, resource: int, value: ResourceValue) -> None:
        self._refuse_circle(resource, value)
        self._keep(resource, value)
        self.on_change()

    def _refuse_circle(self, resource: int, value: ResourceValue) -> None:
        wirings = {slot: self._resources_of(slot) for slot in range(self._modules.profile.slots)}
        wirings[self.instance_id][resource] = value
        circle = Order({slot: Wiring.of(resources) for slot, resources in wirings.items()}).circle
        if self.instance_id in circle:
            raise WiringError(f"the models in slots {' and '.join(map(str, circle))} would wait for each other")

    def _keep(self, resource: int, value: ResourceValue) -> None:
        self._kept.put(self.instance_id, resource, value)

    def _refuse_while_in_use(self) -> None:
        if self.enabled():
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the model is in use; disable it first")


def _text(value: ResourceValue) -> str:
    if not isinstance(value, str) or len(value.encode()) > _MAXIMUM_TEXT_BYTES:
        raise OperationRefused(Code.BAD_REQUEST, f"a text of at most {_MAXIMUM_TEXT_BYTES} bytes is needed")
    return value


def _texts(value: ResourceValue) -> dict[int, str]:
    if not isinstance(value, Mapping) or len(value) > MAXIMUM_WIRES:
        raise OperationRefused(Code.BAD_REQUEST, f"1 to {MAXIMUM_WIRES} texts are needed")
    return {int(index): _text(text) for index, text in value.items()}
