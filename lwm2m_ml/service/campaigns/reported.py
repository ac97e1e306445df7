"""What a device says that it runs: name, version and digest of each module, and how the module in use does."""

from collections.abc import Iterable
from dataclasses import dataclass

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.campaigns.gates import Evidence
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.resources import (
    FIRMWARE_UPDATE_OBJECT,
    SOFTWARE_MANAGEMENT_OBJECT,
    ModelResource,
    ResultResource,
)

_IN_USE = frozenset({ModuleState.TRIAL, ModuleState.ACTIVE})
_MAXIMUM_TEXT = 128
_PACKAGE = {SOFTWARE_MANAGEMENT_OBJECT: (0, 1, 12), FIRMWARE_UPDATE_OBJECT: (6, 7, None)}
"""Resources of the standard objects: name and version of the package, and whether it is active where that is told."""


@dataclass(frozen=True, slots=True)
class ReportedModule:
    """The module in one slot as the device tells it. `slot` is None on a device without ML Model objects."""

    name: str
    version: str
    slot: int | None = None
    state: ModuleState | None = None
    result: int = 0
    digest: bytes = b""

    @property
    def in_use(self) -> bool:
        """Whether the device runs it; a device without ML Model tells of no other."""
        return self.state is None or self.state in _IN_USE

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class ModelObjects:
    """The numbers in use of ML Model and ML Inference Result."""

    model: int
    result: int


async def read_modules(access: DeviceAccess, endpoint: str, model_object: int) -> tuple[ReportedModule, ...]:
    """Read what a device says of the modules it holds; empty when it does not tell."""
    if access.instances(endpoint, model_object):
        found = [_module(number, values) for number, values in await _read(access, endpoint, model_object)]
        return tuple(module for module in found if module is not None)
    return tuple([module for number in _PACKAGE for module in await _read_packages(access, endpoint, number)])


async def read_evidence(access: DeviceAccess, endpoint: str, objects: ModelObjects, digest: bytes) -> Evidence | None:
    """Read how the module with this digest does; None when the device does not run it any more.

    Raises `DeviceError` and other `OperationError`s when the device does not tell.
    """
    for number, values in _by_instance(await access.read(endpoint, ObjectPath(objects.model))):
        module = _module(number, values)
        if module is not None and module.in_use and module.digest == digest:
            return Evidence(
                endpoint=endpoint,
                inferences=int(_number(values, ModelResource.INFERENCE_COUNT) or 0),
                failures=int(_number(values, ModelResource.FAILURE_COUNT) or 0),
                latency=_number(values, ModelResource.MEAN_LATENCY),
                drift=_number(values, ModelResource.DRIFT_SCORE),
                agreement=await _agreement(access, endpoint, objects, number),
            )
    return None


async def _agreement(access: DeviceAccess, endpoint: str, objects: ModelObjects, slot: int) -> float | None:
    for _, values in await _read(access, endpoint, objects.result):
        model = values.get(ResultResource.MODEL)
        if isinstance(model, ObjectLink) and (model.object_id, model.instance_id) == (objects.model, slot):
            return _number(values, ResultResource.AGREEMENT)
    return None


async def _read_packages(access: DeviceAccess, endpoint: str, object_id: int) -> list[ReportedModule]:
    name, version, activation = _PACKAGE[object_id]
    found = []
    for _, values in await _read(access, endpoint, object_id):
        active = activation is None or bool(values.get(activation))
        module = ReportedModule(_text(values.get(name)), _text(values.get(version)))
        if active and module.version:
            found.append(module)
    return found


async def _read(access: DeviceAccess, endpoint: str, object_id: int) -> list[tuple[int, dict[int, Value | None]]]:
    """Read an object as a whole; nothing where the device has none or keeps it to itself."""
    if not access.instances(endpoint, object_id):
        return []
    try:
        records = await access.read(endpoint, ObjectPath(object_id))
    except DeviceError:
        return []
    return _by_instance(records)


def _by_instance(records: Iterable[Record]) -> list[tuple[int, dict[int, Value | None]]]:
    instances: dict[int, dict[int, Value | None]] = {}
    for record in records:
        path = record.path
        if path.instance_id is not None and path.resource_id is not None and path.resource_instance_id is None:
            instances.setdefault(path.instance_id, {})[path.resource_id] = record.value
    return sorted(instances.items())


def _module(number: int, values: dict[int, Value | None]) -> ReportedModule | None:
    state, digest = values.get(ModelResource.STATE), values.get(ModelResource.MODULE_DIGEST)
    result = values.get(ModelResource.RESULT)
    if not isinstance(state, int) or state not in set(ModuleState) or state == ModuleState.EMPTY:
        return None
    return ReportedModule(
        name=_text(values.get(ModelResource.NAME)),
        version=_text(values.get(ModelResource.VERSION)),
        slot=number,
        state=ModuleState(state),
        result=result if isinstance(result, int) else 0,
        digest=digest if isinstance(digest, bytes) else b"",
    )


def _text(value: Value | None) -> str:
    return value[:_MAXIMUM_TEXT] if isinstance(value, str) else ""


def _number(values: dict[int, Value | None], resource: int) -> float | None:
    value = values.get(resource)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
