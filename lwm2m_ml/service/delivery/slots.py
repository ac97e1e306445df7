"""The module slots of a device: what each holds, which object delivers into it, and which one to use next."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.device_access import DeviceAccess, instances_of
from lwm2m_ml.service.resources import (
    FIRMWARE_UPDATE_OBJECT,
    MODEL_CONFIGURATION_OBJECT,
    SOFTWARE_MANAGEMENT_OBJECT,
    ModelResource,
)

MAXIMUM_SLOTS = 16
DELIVERY_OBJECTS = (SOFTWARE_MANAGEMENT_OBJECT, MODEL_CONFIGURATION_OBJECT, FIRMWARE_UPDATE_OBJECT)
"""What slots are delivered by, in the order of preference: what needs no reboot first."""


class NoSlotError(Lwm2mMlError):
    """A device has no place a module could be delivered to."""


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """What ML Model says of one slot at one moment."""

    state: ModuleState | None = None
    result: int = 0
    digest: bytes = b""

    @property
    def tells_digest(self) -> bool:
        """Whether the device names what is in the slot; an empty slot has no digest or one of zeros."""
        return any(self.digest)

    def holds(self, digest: bytes) -> bool:
        """Whether a module with this digest is in the slot, in whatever state but failed."""
        return self.digest == digest and self.state not in {None, ModuleState.EMPTY, ModuleState.FAILED}


@dataclass(frozen=True, slots=True)
class Slot:
    """One module slot. `instance` is None on a device without ML Model objects: delivery alone tells its state."""

    delivery_object: int
    delivery_instance: int
    instance: int | None = None
    status: SlotStatus = SlotStatus()
    storage_used: int = 0
    memory_used: int = 0
    model: str = ""
    """The model in it, read where modules of different models run beside each other."""

    def makes_way_for(self, model: str) -> bool:
        """Whether what runs here stops when a module of a model begins: on object 513, only that of the same model."""
        return self.in_use and (self.delivery_object != MODEL_CONFIGURATION_OBJECT or self.model == model)

    @property
    def in_use(self) -> bool:
        """Whether the slot holds what the device runs or tries out."""
        return self.status.state in {ModuleState.ACTIVE, ModuleState.TRIAL}


# The order in which slots are taken: what costs least to lose first. Active and trial modules are never overwritten.
_PREFERENCE = {
    ModuleState.EMPTY: 0,
    ModuleState.FAILED: 1,
    ModuleState.STAGED: 2,
    None: 3,
    ModuleState.STANDBY: 4,
}


def choose_slot(slots: Sequence[Slot], digest: bytes | None = None) -> Slot:
    """Return the slot that holds the module already, else the cheapest to overwrite; raises `NoSlotError`.

    Slots of an object that needs no reboot are preferred.
    """
    if digest is not None:
        for slot in slots:
            if slot.status.holds(digest):
                return slot
    usable = [slot for slot in slots if slot.status.state in _PREFERENCE]
    if not usable:
        what = f"all {len(slots)} module slots are in use" if slots else "the device offers no object to deliver with"
        raise NoSlotError(what, hint="Objects 9, 513 and 5 are supported")
    return min(
        usable,
        key=lambda slot: (
            DELIVERY_OBJECTS.index(slot.delivery_object),
            _PREFERENCE[slot.status.state],
            slot.instance or 0,
            slot.delivery_instance,
        ),
    )


async def read_slots(access: DeviceAccess, endpoint: str, model_object: int) -> tuple[Slot, ...]:
    """Read every module slot of a device; without ML Model objects, its delivery objects are the slots.

    Raises `UnknownDevice` for a device that is not registered.
    """
    instances = instances_of(access, endpoint, model_object)
    if not instances:
        return _bare_slots(access, endpoint)
    slots = [await _read_slot(access, endpoint, ObjectPath(model_object, i)) for i in instances[:MAXIMUM_SLOTS]]
    return tuple(slot for slot in slots if slot is not None)


async def read_slot_status(access: DeviceAccess, endpoint: str, model_object: int, instance: int) -> SlotStatus:
    """Read what a slot holds now."""
    path = ObjectPath(model_object, instance)
    state = await _optional(access, endpoint, path.child(ModelResource.STATE))
    result = await _optional(access, endpoint, path.child(ModelResource.RESULT))
    digest = await _optional(access, endpoint, path.child(ModelResource.MODULE_DIGEST))
    return SlotStatus(
        state=ModuleState(state) if isinstance(state, int) and state in set(ModuleState) else None,
        result=result if isinstance(result, int) else 0,
        digest=digest if isinstance(digest, bytes) else b"",
    )


def result_sentence(result: int) -> str:
    """Say what a result of ML Model means, in words."""
    try:
        name = ModuleResult(result).name.replace("_", " ").lower()
    except ValueError:
        return f"the device reported result {result}"
    return f"{name} (result {result})"


async def _read_slot(access: DeviceAccess, endpoint: str, path: ObjectPath) -> Slot | None:
    """Read one slot; None when it is delivered by something this service does not speak."""
    link = await _optional(access, endpoint, path.child(ModelResource.SOFTWARE_MANAGEMENT))
    if not isinstance(link, ObjectLink) or path.object_id is None or path.instance_id is None:
        return None
    if link.object_id not in DELIVERY_OBJECTS:
        return None
    status = await read_slot_status(access, endpoint, path.object_id, path.instance_id)
    storage = await _optional(access, endpoint, path.child(ModelResource.STORAGE_USED))
    memory = await _optional(access, endpoint, path.child(ModelResource.WORKING_MEMORY_USED))
    several = link.object_id == MODEL_CONFIGURATION_OBJECT
    model = await _optional(access, endpoint, path.child(ModelResource.NAME)) if several else ""
    return Slot(
        delivery_object=link.object_id,
        delivery_instance=link.instance_id,
        instance=path.instance_id,
        status=status,
        storage_used=storage if isinstance(storage, int) else 0,
        memory_used=memory if isinstance(memory, int) else 0,
        model=model if isinstance(model, str) else "",
    )


def _bare_slots(access: DeviceAccess, endpoint: str) -> tuple[Slot, ...]:
    return tuple(
        Slot(object_id, instance)
        for object_id in (SOFTWARE_MANAGEMENT_OBJECT, FIRMWARE_UPDATE_OBJECT)
        for instance in (instances_of(access, endpoint, object_id) or ())[:MAXIMUM_SLOTS]
    )


async def _optional(access: DeviceAccess, endpoint: str, path: ObjectPath) -> object:
    """Read one value; None when the device answers that it does not have it (an empty slot has no digest)."""
    try:
        records = await access.read(endpoint, path)
    except DeviceError:
        return None
    return records[0].value if records else None
