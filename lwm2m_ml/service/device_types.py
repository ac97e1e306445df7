"""Device types: what an operator says of devices with the standard objects alone, found by what their object 3 says."""

import uuid
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import TypeAdapter

from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.service.profiles import CapabilityProfile, DeviceIdentity, MlRuntime
from lwm2m_ml.store.device_types import DeviceTypeRecord, DeviceTypeRepository

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lwm2m-ml:device-type")
RUNTIME_VERSION = "1.0.0"
NATIVE, ALL_INTEGER_TYPES, ED25519_AND_ES256 = (2,), (2, 3), (-8, -7)


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A kind of device. Patterns are those of file names; sizes in bytes, the clock in Hz.

    `storage_bytes` is the room for one module, of which the device has `slots`.
    """

    name: str
    target: str
    storage_bytes: int
    memory_bytes: int
    manufacturer: str = "*"
    model_number: str = "*"
    hardware_version: str = "*"
    slots: int = 1
    clock_hz: float | None = None

    def matches(self, identity: DeviceIdentity) -> bool:
        """Tell whether a device that says this of itself is of this type."""
        return (
            fnmatchcase(identity.manufacturer, self.manufacturer)
            and fnmatchcase(identity.model_number, self.model_number)
            and fnmatchcase(identity.hardware_version, self.hardware_version)
        )

    def runtime(self, target: Target) -> MlRuntime:
        """Return what such a device can do, as if it had told it itself."""
        vendor = uuid.uuid5(NAMESPACE, self.manufacturer)
        return MlRuntime(
            instance=0,
            name=f"device type {self.name}",
            version=RUNTIME_VERSION,
            target=self.target,
            working_memory_total=self.memory_bytes,
            storage_total=self.storage_bytes * self.slots,
            storage_free=self.storage_bytes,
            maximum_module_size=self.storage_bytes,
            slots=self.slots,
            free_slots=self.slots,
            formats=NATIVE,
            operator_set="native",
            data_types=ALL_INTEGER_TYPES,
            encodings=(0,),
            signature_algorithms=ED25519_AND_ES256,
            trust_anchors=(),
            vendor_id=vendor.bytes,
            class_id=uuid.uuid5(vendor, self.name).bytes,
            instruction_set=tuple(target.isa),
            clock_hz=self.clock_hz or target.clock_hz,
        )


class DeviceTypes:
    """The types that operators described; the one described first wins where several match."""

    def __init__(self, repository: DeviceTypeRepository) -> None:
        self._repository = repository
        self._types: dict[str, DeviceType] = {}

    async def start(self) -> None:
        """Load what is stored."""
        records = await self._repository.all()
        self._types.clear()
        for record in records:
            self._types[record.name] = _ADAPTER.validate_python({"name": record.name, **record.facts})

    def all(self) -> tuple[DeviceType, ...]:
        """Return every type, the one described first at first."""
        return tuple(self._types.values())

    async def add(self, described: DeviceType) -> DeviceType:
        """Describe a type; raises `UnknownTarget`, and `ConflictError` when there is one of its name."""
        load_target(described.target)
        if described.name in self._types:
            raise ConflictError(f"There is a device type {described.name} already", hint="Remove it first")
        facts: dict[str, Any] = _ADAPTER.dump_python(described)
        del facts["name"]
        await self._repository.put(DeviceTypeRecord(described.name, facts))
        self._types[described.name] = described
        return described

    async def remove(self, name: str) -> None:
        """Forget a type; raises `NotFoundError`. Devices keep what was taken over from it until they register anew."""
        if name not in self._types:
            raise NotFoundError(f"There is no device type {name[:64]!r}")
        await self._repository.delete(name)
        del self._types[name]

    def complete(self, profile: CapabilityProfile) -> CapabilityProfile:
        """Fill in what a device does not tell: its runtime, when it is of a type and has none of its own."""
        if profile.runtimes or profile.problems:
            return profile
        found = next((one for one in self._types.values() if one.matches(profile.identity)), None)
        if found is None:
            return profile
        runtime = found.runtime(load_target(found.target))
        return CapabilityProfile(
            profile.endpoint, profile.identity, (runtime,), running=profile.running, device_type=found.name
        )


_ADAPTER: TypeAdapter[DeviceType] = TypeAdapter(DeviceType)
