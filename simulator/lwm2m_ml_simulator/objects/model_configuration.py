"""Object 513, AI Model Configuration: one instance per module slot, through which a module can come, too.

A package is written to Model, or its address to Model URI; Enabled puts it on trial. What it says of itself is in
object 42770. What servers write of inputs, outputs and conditions is kept here, and outlives a reboot.
"""

from collections.abc import Mapping

import cbor2
from aiocoap import Code

from lwm2m_ml.lwm2m.expressions import parse
from lwm2m_ml.lwm2m.ni import parse_ni
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.device.object_ids import MODEL_CONFIGURATION
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.intake import Intake, Phase
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.slots import IN_USE
from lwm2m_ml_simulator.objects.base import ObjectInstance, OperationRefused, ResourceValue, readable, writable

_RECORD_KEY = 80
_MAXIMUM_TEXT_BYTES = 512
DESCRIPTION_URL, URI, INTEGRITY, CONDITION = 3, 4, 5, 14
INPUTS, INPUT_TRANSFORMS, INPUT_LABELS = 7, 8, 9
OUTPUTS, OUTPUT_TRANSFORMS, OUTPUT_LABELS = 10, 11, 12


class ModelConfiguration(ObjectInstance):
    """The configuration of the model in one slot. `kept` holds what was written, by resource."""

    object_id = MODEL_CONFIGURATION

    def __init__(self, modules: ModuleManager, intake: Intake, journal: Journal) -> None:
        super().__init__(intake.number)
        self._modules = modules
        self._intake = intake
        self._journal = journal
        stored = journal.get(_RECORD_KEY + self.instance_id)
        self.kept: dict[int, ResourceValue] = cbor2.loads(stored) if stored else {}
        intake.expected_digest = self.expected_digest

    def expected_digest(self) -> bytes | None:
        """Return the SHA-256 that the package must have, None when nobody said."""
        integrity = self.kept.get(INTEGRITY)
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
        return self.kept.get(DESCRIPTION_URL)

    @writable(DESCRIPTION_URL)
    def write_description_url(self, value: ResourceValue) -> None:
        """Keep where to read about the model."""
        self._keep(DESCRIPTION_URL, _text(value))

    @readable(URI)
    def model_uri(self) -> ResourceValue:
        """Model URI; nothing where the slot is empty and nothing is fetched, so that servers see what a cut undid."""
        empty = self._modules.slot(self.instance_id).state is ModuleState.EMPTY
        return "" if empty and self._intake.phase is Phase.IDLE else self.kept.get(URI, "")

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
        return self.kept.get(INTEGRITY, "")

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
        return self.kept.get(INPUTS, {0: ""})

    @writable(INPUTS)
    def write_inputs(self, value: ResourceValue) -> None:
        """Keep where inputs come from."""
        self._keep(INPUTS, _texts(value))

    @readable(INPUT_TRANSFORMS)
    def input_transforms(self) -> ResourceValue | None:
        """Input transforms."""
        return self.kept.get(INPUT_TRANSFORMS)

    @writable(INPUT_TRANSFORMS)
    def write_input_transforms(self, value: ResourceValue) -> None:
        """Keep expressions that can be read."""
        self._keep(INPUT_TRANSFORMS, _expressions(value))

    @readable(INPUT_LABELS)
    def input_labels(self) -> ResourceValue:
        """Input labels: those of the module's inputs, until a server says otherwise."""
        tensors = self._module.descriptor.inputs if self._module else ()
        return self.kept.get(INPUT_LABELS) or dict(enumerate(tensor.name for tensor in tensors)) or {0: ""}

    @writable(INPUT_LABELS)
    def write_input_labels(self, value: ResourceValue) -> None:
        """Keep which input of the model each entry of Inputs feeds."""
        self._keep(INPUT_LABELS, _texts(value))

    @readable(OUTPUTS)
    def outputs(self) -> ResourceValue:
        """Outputs: the inference result of this slot, until a server says otherwise."""
        return self.kept.get(OUTPUTS, {0: f"</42771/{self.instance_id}>"})

    @writable(OUTPUTS)
    def write_outputs(self, value: ResourceValue) -> None:
        """Keep where outputs go."""
        self._keep(OUTPUTS, _texts(value))

    @readable(OUTPUT_TRANSFORMS)
    def output_transforms(self) -> ResourceValue | None:
        """Output transforms."""
        return self.kept.get(OUTPUT_TRANSFORMS)

    @writable(OUTPUT_TRANSFORMS)
    def write_output_transforms(self, value: ResourceValue) -> None:
        """Keep expressions that can be read."""
        self._keep(OUTPUT_TRANSFORMS, _expressions(value))

    @readable(OUTPUT_LABELS)
    def output_labels(self) -> ResourceValue:
        """Output labels: those of the module's outputs, until a server says otherwise."""
        tensors = self._module.descriptor.outputs if self._module else ()
        return self.kept.get(OUTPUT_LABELS) or dict(enumerate(tensor.name for tensor in tensors)) or {0: ""}

    @writable(OUTPUT_LABELS)
    def write_output_labels(self, value: ResourceValue) -> None:
        """Keep which output of the model each entry of Outputs takes."""
        self._keep(OUTPUT_LABELS, _texts(value))

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
        return self.kept.get(CONDITION) or None

    @writable(CONDITION)
    def write_condition(self, value: ResourceValue) -> None:
        """Keep an expression that can be read; an empty text is none."""
        text = _text(value)
        if text:
            parse(text)
        self._keep(CONDITION, text)

    def _keep(self, resource: int, value: ResourceValue) -> None:
        if self.kept.get(resource) == value:
            return
        kept = {**self.kept, resource: value}
        self._journal.put(_RECORD_KEY + self.instance_id, cbor2.dumps(kept))
        self.kept = kept

    def _refuse_while_in_use(self) -> None:
        if self.enabled():
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the model is in use; disable it first")


def _text(value: ResourceValue) -> str:
    if not isinstance(value, str) or len(value.encode()) > _MAXIMUM_TEXT_BYTES:
        raise OperationRefused(Code.BAD_REQUEST, f"a text of at most {_MAXIMUM_TEXT_BYTES} bytes is needed")
    return value


def _texts(value: ResourceValue) -> dict[int, str]:
    if not isinstance(value, Mapping):
        raise OperationRefused(Code.BAD_REQUEST, "several texts are needed")
    return {int(index): _text(text) for index, text in value.items()}


def _expressions(value: ResourceValue) -> dict[int, str]:
    texts = _texts(value)
    for text in texts.values():
        if text:
            parse(text)
    return texts
