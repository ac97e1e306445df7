"""A device as the service sees it: what its ML capabilities object and its Device object said."""

import dataclasses
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.service.resources import CapabilityResource, DeviceResource
from lwm2m_ml.sharing import shared

MAXIMUM_TEXT = 256
MAXIMUM_VALUES = 64
MAXIMUM_BYTES = 1 << 40


class ProfileError(InvalidInputError):
    """A device reported capabilities that cannot be used: a mandatory value is missing or absurd."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What object 3 says; empty where a device does not tell."""

    manufacturer: str = ""
    model_number: str = ""
    serial_number: str = ""
    firmware_version: str = ""
    hardware_version: str = ""


@dataclass(frozen=True, slots=True)
class MlRuntime:
    """One instance of ML Device Capabilities: one runtime on one compute unit. Sizes in bytes, clock in Hz."""

    instance: int
    name: str
    version: str
    target: str
    working_memory_total: int
    storage_total: int
    storage_free: int
    maximum_module_size: int
    slots: int
    free_slots: int
    formats: tuple[int, ...]
    operator_set: str
    data_types: tuple[int, ...]
    encodings: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    trust_anchors: tuple[bytes, ...]
    vendor_id: bytes
    class_id: bytes
    instruction_set: tuple[str, ...]
    clock_hz: float | None = None
    working_memory_free: int | None = None
    decoder_window: int | None = None
    encryption_algorithms: tuple[int, ...] = ()
    trust_list_version: int | None = None
    operators: tuple[str, ...] = ()

    def with_free(self, resource: int, value: int) -> "MlRuntime":
        """Return this runtime with a new figure of a free resource, as a notification told it."""
        if not 0 <= value <= MAXIMUM_BYTES:
            return self
        match resource:
            case CapabilityResource.WORKING_MEMORY_FREE:
                return dataclasses.replace(self, working_memory_free=value)
            case CapabilityResource.MODULE_STORAGE_FREE:
                return dataclasses.replace(self, storage_free=value)
            case CapabilityResource.FREE_MODULE_SLOTS:
                return dataclasses.replace(self, free_slots=value)
        return self


@dataclass(frozen=True, slots=True)
class CapabilityProfile:
    """Everything known of a device's ability to run models. No runtime: none was reported.

    `running` names the models in use with their versions, such as `digits 1.0.0`, where the device tells them;
    `device_type` is the type that an operator described, whose facts stand in for what the device does not tell.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")

    endpoint: str
    identity: DeviceIdentity = DeviceIdentity()
    runtimes: tuple[MlRuntime, ...] = ()
    problems: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    device_type: str = ""

    @property
    def runtime(self) -> MlRuntime | None:
        """The runtime that takes modules: the first one reported."""
        return self.runtimes[0] if self.runtimes else None

    @property
    def why_no_runtime(self) -> str:
        """Say why no model can be put on this device; empty when one can."""
        if self.runtimes:
            return ""
        return self.problems[0] if self.problems else "no ML runtime reported"

    def with_free(self, instance: int, resource: int, value: int) -> "CapabilityProfile":
        """Return this profile with one free figure of one runtime replaced."""
        runtimes = tuple(r.with_free(resource, value) if r.instance == instance else r for r in self.runtimes)
        return dataclasses.replace(self, runtimes=runtimes)

    def to_json(self) -> dict[str, Any]:
        """Turn the profile into what the store keeps."""
        document: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return document

    def shared(self) -> "CapabilityProfile":
        """Return the same, made of parts that equal devices have in common: what 100,000 of them say is held once."""
        return CapabilityProfile(
            sys.intern(self.endpoint),
            shared(self.identity),
            shared(self.runtimes),
            shared(self.problems),
            shared(self.running),
            sys.intern(self.device_type),
        )

    @classmethod
    def from_json(cls, text: str) -> "CapabilityProfile":
        """Read a stored profile; raises `ProfileError` when it is of another shape."""
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise ProfileError(
                "A stored device profile cannot be read", hint="Let the device register again"
            ) from error


_ADAPTER: TypeAdapter[CapabilityProfile]


def profile_from_records(endpoint: str, device: Iterable[Record], capabilities: Iterable[Record]) -> CapabilityProfile:
    """Make a profile of the records that Reads of objects 3 and 42769 brought."""
    by_instance: dict[int, list[Record]] = {}
    for record in capabilities:
        if record.path.instance_id is not None and len(by_instance) <= MAXIMUM_VALUES:
            by_instance.setdefault(record.path.instance_id, []).append(record)
    runtimes: list[MlRuntime] = []
    problems: list[str] = []
    for instance, records in sorted(by_instance.items()):
        try:
            runtimes.append(runtime_from_records(instance, records))
        except ProfileError as error:
            problems.append(error.message)
    return CapabilityProfile(endpoint, identity_from_records(device), tuple(runtimes), tuple(problems))


def identity_from_records(records: Iterable[Record]) -> DeviceIdentity:
    """Pick the identity out of object 3; what is missing or of a wrong type stays empty."""
    texts = {r.path.resource_id: r.value[:MAXIMUM_TEXT] for r in records if isinstance(r.value, str)}
    return DeviceIdentity(
        manufacturer=texts.get(DeviceResource.MANUFACTURER, ""),
        model_number=texts.get(DeviceResource.MODEL_NUMBER, ""),
        serial_number=texts.get(DeviceResource.SERIAL_NUMBER, ""),
        firmware_version=texts.get(DeviceResource.FIRMWARE_VERSION, ""),
        hardware_version=texts.get(DeviceResource.HARDWARE_VERSION, ""),
    )


def runtime_from_records(instance: int, records: Iterable[Record]) -> MlRuntime:
    """Build one runtime of the records of its instance; raises `ProfileError` naming what is missing or absurd."""
    values = _Values(instance, records)
    clock_mhz = values.number(CapabilityResource.CLOCK)
    return MlRuntime(
        instance=instance,
        name=values.text(CapabilityResource.RUNTIME_NAME),
        version=values.text(CapabilityResource.RUNTIME_VERSION),
        target=values.text(CapabilityResource.TARGET),
        working_memory_total=values.size(CapabilityResource.WORKING_MEMORY_TOTAL),
        storage_total=values.size(CapabilityResource.MODULE_STORAGE_TOTAL),
        storage_free=values.size(CapabilityResource.MODULE_STORAGE_FREE),
        maximum_module_size=values.size(CapabilityResource.MAXIMUM_MODULE_SIZE),
        slots=values.size(CapabilityResource.MODULE_SLOTS),
        free_slots=values.size(CapabilityResource.FREE_MODULE_SLOTS),
        formats=values.integers(CapabilityResource.MODULE_FORMATS),
        operator_set=values.text(CapabilityResource.OPERATOR_SET),
        data_types=values.integers(CapabilityResource.DATA_TYPES),
        encodings=values.integers(CapabilityResource.PAYLOAD_ENCODINGS),
        signature_algorithms=values.integers(CapabilityResource.SIGNATURE_ALGORITHMS),
        trust_anchors=values.opaques(CapabilityResource.TRUST_ANCHORS),
        vendor_id=values.identifier(CapabilityResource.VENDOR_IDENTIFIER),
        class_id=values.identifier(CapabilityResource.CLASS_IDENTIFIER),
        instruction_set=values.texts(CapabilityResource.INSTRUCTION_SET),
        clock_hz=None if clock_mhz is None else clock_mhz * 1e6,
        working_memory_free=values.optional_size(CapabilityResource.WORKING_MEMORY_FREE),
        decoder_window=values.optional_size(CapabilityResource.DECODER_WINDOW),
        encryption_algorithms=values.optional_integers(CapabilityResource.ENCRYPTION_ALGORITHMS),
        trust_list_version=values.optional_size(CapabilityResource.TRUST_LIST_VERSION),
        operators=values.optional_texts(CapabilityResource.SUPPORTED_OPERATORS),
    )


class _Values:
    """The values of one capabilities instance, taken out by resource with their type and range checked."""

    def __init__(self, instance: int, records: Iterable[Record]) -> None:
        self._instance = instance
        self._values: dict[int, list[object]] = {}
        for record in records:
            if record.path.resource_id is None:
                continue
            values = self._values.setdefault(record.path.resource_id, [])
            if len(values) < MAXIMUM_VALUES:
                values.append(record.value)

    def text(self, resource: CapabilityResource) -> str:
        value = self._single(resource)
        if not isinstance(value, str) or len(value) > MAXIMUM_TEXT:
            raise self._wrong(resource, "is not a short text")
        return value

    def texts(self, resource: CapabilityResource) -> tuple[str, ...]:
        values = tuple(value for value in self._all(resource) if isinstance(value, str) and len(value) <= MAXIMUM_TEXT)
        if len(values) != len(self._all(resource)):
            raise self._wrong(resource, "holds something that is not a short text")
        return values

    def optional_texts(self, resource: CapabilityResource) -> tuple[str, ...]:
        return self.texts(resource) if resource in self._values else ()

    def size(self, resource: CapabilityResource) -> int:
        value = self._single(resource)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAXIMUM_BYTES:
            raise self._wrong(resource, "is not a plausible number")
        return value

    def optional_size(self, resource: CapabilityResource) -> int | None:
        return self.size(resource) if resource in self._values else None

    def number(self, resource: CapabilityResource) -> float | None:
        if resource not in self._values:
            return None
        value = self._single(resource)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise self._wrong(resource, "is not a plausible number")
        return float(value)

    def integers(self, resource: CapabilityResource) -> tuple[int, ...]:
        values = tuple(v for v in self._all(resource) if isinstance(v, int) and not isinstance(v, bool))
        if len(values) != len(self._all(resource)):
            raise self._wrong(resource, "holds something that is not an integer")
        return values

    def optional_integers(self, resource: CapabilityResource) -> tuple[int, ...]:
        return self.integers(resource) if resource in self._values else ()

    def opaques(self, resource: CapabilityResource) -> tuple[bytes, ...]:
        """Opaque values; a device without any (no trust anchor yet) may leave the resource out."""
        return tuple(v for v in self._values.get(resource, ()) if isinstance(v, bytes) and len(v) <= MAXIMUM_TEXT)

    def identifier(self, resource: CapabilityResource) -> bytes:
        value = self._single(resource)
        if not isinstance(value, bytes) or len(value) != 16:
            raise self._wrong(resource, "is not an identifier of 16 bytes")
        return value

    def _single(self, resource: CapabilityResource) -> object:
        return self._all(resource)[0]

    def _all(self, resource: CapabilityResource) -> list[object]:
        try:
            return self._values[resource]
        except KeyError:
            raise self._wrong(resource, "is missing") from None

    def _wrong(self, resource: CapabilityResource, what: str) -> ProfileError:
        name = resource.name.replace("_", " ").capitalize()
        return ProfileError(f"{name} (resource {self._instance}/{resource.value} of ML Device Capabilities) {what}")


_ADAPTER = TypeAdapter(CapabilityProfile)
