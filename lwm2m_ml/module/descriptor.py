"""The module descriptor: what a device and an operator must know of a module, as CBOR with integer keys.

Its digest is signed by the manifest. `docs/module-format.md` lists the keys.
"""

import re
import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from lwm2m_ml.module import cbor, fields
from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.module.errors import InvalidDescriptorError, MalformedCborError
from lwm2m_ml.module.learning import CONTROL_INPUT, LearningDescriptor
from lwm2m_ml.module.tensors import TensorDescriptor

__all__ = ["Descriptor", "ModuleFormat", "TensorDescriptor", "Version"]

DESCRIPTOR_VERSION = 1
LEARNING_VERSION = 2
"""The version of a descriptor that has something to say of learning, which devices of version 1 refuse."""
MAXIMUM_DESCRIPTOR_BYTES = 65536
MAXIMUM_TENSORS = 16
MAXIMUM_LABELS = 1024
MAXIMUM_VECTORS = 64
NATIVE_OPERATOR_SET = "native"


MODEL_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lwm2m-ml:model")


class ModuleFormat(IntEnum):
    """What the payload is: 42770/x/5, and one of 42769/x/11."""

    INTERPRETED_GRAPH = 0
    PORTABLE = 1
    NATIVE = 2
    BARE_METAL_IMAGE = 3


class Key(IntEnum):
    """Keys of the descriptor's map."""

    VERSION = 0
    MODEL_ID = 1
    MODEL_NAME = 2
    MODEL_VERSION = 3
    VARIANT = 4
    FORMAT = 5
    ABI = 6
    TARGET = 7
    ISA = 8
    OPERATOR_SET = 9
    FLASH_BYTES = 10
    ARENA_BYTES = 11
    STACK_BYTES = 12
    INSTRUCTIONS = 13
    INPUTS = 14
    OUTPUTS = 15
    LABELS = 16
    THRESHOLD = 17
    VECTORS = 18
    REFERENCE = 19
    LICENCE = 20
    DRIFT = 21
    LEARNING = 22


_KNOWN_KEYS = frozenset(int(key) for key in Key)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Version of the module ABI: same major and no higher minor than the device's runs on it."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Parse `1.0.0`; raises InvalidDescriptorError."""
        match = re.fullmatch(r"(\d{1,5})\.(\d{1,5})\.(\d{1,5})", text, re.ASCII)
        if match is None:
            raise InvalidDescriptorError(f"{text!r} is not a version of three numbers")
        return cls(*(int(number) for number in match.groups()))

    def runs_on(self, runtime: "Version") -> bool:
        """Whether a module of this version runs on a device whose runtime has version `runtime`."""
        return self.major == runtime.major and self.minor <= runtime.minor


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A module's facts. Sizes are bytes; `instructions` is the measured count of one inference.

    `threshold` is the confidence in percent below which the module makes no decision. `vectors` are known answers:
    all input tensors one after the other, and all output tensors that must come out, bit for bit.
    """

    model_id: bytes
    model_name: str
    model_version: str
    variant: str
    target: str
    flash_bytes: int
    arena_bytes: int
    stack_bytes: int
    instructions: int
    inputs: tuple[TensorDescriptor, ...]
    outputs: tuple[TensorDescriptor, ...]
    isa: tuple[str, ...] = ()
    format: int = ModuleFormat.NATIVE
    abi: str = "1.0.0"
    operator_set: str = NATIVE_OPERATOR_SET
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    vectors: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    reference: str = ""
    licence: str = ""
    drift: DriftReference | None = field(default=None, repr=False)
    learning: LearningDescriptor | None = None

    def __post_init__(self) -> None:
        fields.require(len(self.model_id) == 16, "The model identifier has not 16 bytes")
        fields.require(self.format in set(ModuleFormat), f"Module format {self.format} is unknown")
        Version.parse(self.abi)
        fields.require(0 < len(self.inputs) <= MAXIMUM_TENSORS, "A module needs at least one input")
        fields.require(0 < len(self.outputs) <= MAXIMUM_TENSORS, "A module needs at least one output")
        fields.require(len(self.labels) <= MAXIMUM_LABELS, "The module has too many labels")
        for tensor in (*self.inputs, *self.outputs):
            fields.require(
                tensor.offset + tensor.bytes <= self.arena_bytes, f"Tensor {tensor.name!r} does not lie in the arena"
            )
        fields.require(len(self.vectors) <= MAXIMUM_VECTORS, "The module has too many known-answer vectors")
        sizes = (sum(tensor.bytes for tensor in self.inputs), sum(tensor.bytes for tensor in self.outputs))
        fields.require(
            all((len(given), len(expected)) == sizes for given, expected in self.vectors),
            "A known-answer vector has not the size of the inputs and outputs",
        )
        if self.learning is not None:
            fields.require(
                self.learning.offset + self.learning.state_bytes <= self.arena_bytes,
                "What changes by learning does not lie in the arena",
            )
            fields.require(
                any(tensor.name == CONTROL_INPUT for tensor in self.inputs), f"There is no input {CONTROL_INPUT}"
            )

    @property
    def version(self) -> int:
        """The version of the format that is needed to say this."""
        return DESCRIPTOR_VERSION if self.learning is None else LEARNING_VERSION

    @property
    def working_memory_bytes(self) -> int:
        """What the module needs of a device's RAM while it runs: arena and stack."""
        return self.arena_bytes + self.stack_bytes

    def encode(self) -> bytes:
        """Encode, always to the same bytes; raises InvalidDescriptorError when there are too many."""
        entry: dict[int, object] = {
            Key.VERSION: self.version,
            Key.MODEL_ID: self.model_id,
            Key.MODEL_NAME: self.model_name,
            Key.MODEL_VERSION: self.model_version,
            Key.VARIANT: self.variant,
            Key.FORMAT: int(self.format),
            Key.ABI: self.abi,
            Key.TARGET: self.target,
            Key.ISA: list(self.isa),
            Key.OPERATOR_SET: self.operator_set,
            Key.FLASH_BYTES: self.flash_bytes,
            Key.ARENA_BYTES: self.arena_bytes,
            Key.STACK_BYTES: self.stack_bytes,
            Key.INSTRUCTIONS: self.instructions,
            Key.INPUTS: [tensor.as_map() for tensor in self.inputs],
            Key.OUTPUTS: [tensor.as_map() for tensor in self.outputs],
            Key.LABELS: list(self.labels),
            Key.VECTORS: [[given, expected] for given, expected in self.vectors],
        }
        if self.threshold is not None:
            entry[Key.THRESHOLD] = float(self.threshold)
        if self.reference:
            entry[Key.REFERENCE] = self.reference
        if self.licence:
            entry[Key.LICENCE] = self.licence
        if self.drift is not None:
            entry[Key.DRIFT] = self.drift.as_map()
        if self.learning is not None:
            entry[Key.LEARNING] = self.learning.as_map()
        data = cbor.encode({int(key): value for key, value in entry.items()})
        fields.require(len(data) <= MAXIMUM_DESCRIPTOR_BYTES, "The descriptor is too long")
        return data

    @classmethod
    def decode(cls, data: bytes) -> "Descriptor":
        """Decode what `encode` made; raises InvalidDescriptorError."""
        fields.require(len(data) <= MAXIMUM_DESCRIPTOR_BYTES, "The descriptor is too long")
        try:
            value = cbor.decode(data)
        except MalformedCborError as error:
            raise InvalidDescriptorError(f"The descriptor is malformed: {error.message}") from error
        entry = fields.MapReader(value, "The descriptor", _KNOWN_KEYS)
        version = entry.unsigned(Key.VERSION)
        known = (DESCRIPTOR_VERSION, LEARNING_VERSION)
        fields.require(version in known, f"Descriptor version {version} is unknown")
        descriptor = cls(
            model_id=entry.octets(Key.MODEL_ID),
            model_name=entry.text(Key.MODEL_NAME),
            model_version=entry.text(Key.MODEL_VERSION),
            variant=entry.text(Key.VARIANT),
            target=entry.text(Key.TARGET),
            flash_bytes=entry.unsigned(Key.FLASH_BYTES),
            arena_bytes=entry.unsigned(Key.ARENA_BYTES),
            stack_bytes=entry.unsigned(Key.STACK_BYTES),
            instructions=entry.unsigned(Key.INSTRUCTIONS),
            inputs=tuple(TensorDescriptor.from_map(item) for item in entry.items(Key.INPUTS)),
            outputs=tuple(TensorDescriptor.from_map(item) for item in entry.items(Key.OUTPUTS)),
            isa=entry.text_list(Key.ISA),
            format=entry.unsigned(Key.FORMAT),
            abi=entry.text(Key.ABI),
            operator_set=entry.text(Key.OPERATOR_SET),
            labels=entry.text_list(Key.LABELS),
            threshold=entry.optional_number(Key.THRESHOLD),
            vectors=tuple(_vector(item) for item in entry.items(Key.VECTORS)),
            reference=entry.text(Key.REFERENCE, default=""),
            licence=entry.text(Key.LICENCE, default=""),
            drift=DriftReference.from_map(value[Key.DRIFT]) if Key.DRIFT in value else None,
            learning=LearningDescriptor.from_map(value[Key.LEARNING]) if Key.LEARNING in value else None,
        )
        fields.require(descriptor.encode() == data, "The descriptor says something twice or in another form")
        return descriptor


def _vector(item: Any) -> tuple[bytes, bytes]:
    is_pair = isinstance(item, list) and len(item) == 2 and all(isinstance(part, bytes) for part in item)
    fields.require(is_pair, "A known-answer vector is not a pair of byte strings")
    return item[0], item[1]


def model_identifier(name: str) -> bytes:
    """Return the 16 bytes that identify a model whatever its version: a name-based UUID (RFC 9562 §5.5)."""
    return uuid.uuid5(MODEL_NAMESPACE, name).bytes
