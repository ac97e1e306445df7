"""The object instances of one client, and the LwM2M operations on them (OMA-TS-LightweightM2M_Core-V1_2 §6.3).

No input or output here: records in, records out, and `OperationRefused` with the code that the specification asks for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiocoap import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, OperationRefused, ResourceValue

HIDDEN_OBJECTS = frozenset({0, 21})
InstanceFactory = Callable[[int], ObjectInstance]


class ObjectTree:
    """All object instances by object id and instance id; objects with a factory can be created and deleted."""

    def __init__(self, instances: Iterable[ObjectInstance] = ()) -> None:
        self._instances: dict[tuple[int, int], ObjectInstance] = {}
        self._factories: dict[int, InstanceFactory] = {}
        self.claims: dict[ObjectPath, Value] = {}
        """What the client says of resources in place of the truth."""
        for instance in instances:
            self.add(instance)

    def add(self, instance: ObjectInstance) -> None:
        """Put an instance into the tree, in place of one with the same ids."""
        self._instances[instance.object_id, instance.instance_id] = instance

    def allow_create(self, object_id: int, factory: InstanceFactory) -> None:
        """Let servers create and delete instances of an object."""
        self._factories[object_id] = factory

    def creatable(self) -> frozenset[int]:
        """Return the ids of the objects whose instances can be created and deleted."""
        return frozenset(self._factories)

    def object_ids(self) -> tuple[int, ...]:
        """Return the ids of all objects, with or without instances."""
        return tuple(sorted({object_id for object_id, _ in self._instances} | set(self._factories)))

    def instances(self, object_id: int) -> tuple[ObjectInstance, ...]:
        """Return the instances of one object in the order of their ids."""
        found = [instance for (owner, _), instance in self._instances.items() if owner == object_id]
        return tuple(sorted(found, key=lambda instance: instance.instance_id))

    def version(self, object_id: int) -> str | None:
        """Return the version of an object if it is not the first one."""
        return next((instance.version for instance in self.instances(object_id)), None)

    def find(self, path: ObjectPath) -> ObjectInstance | None:
        """Return the instance at `path`, if there is one."""
        return self._instances.get((path.object_id, path.instance_id))  # type: ignore[arg-type]

    def make(
        self, object_id: int, instance_id: int, others: Mapping[int, InstanceFactory] | None = None
    ) -> ObjectInstance | None:
        """Return a new instance, not yet in the tree, of an object with a factory here or in `others`."""
        factory = self._factories.get(object_id) or (others or {}).get(object_id)
        return factory(instance_id) if factory is not None else None

    def remove(self, instance: ObjectInstance) -> None:
        """Take an instance out of the tree, whoever may delete it."""
        self._instances.pop((instance.object_id, instance.instance_id), None)

    def instance_records(self, instance: ObjectInstance) -> tuple[Record, ...]:
        """Return all values of an instance, also those that no server may read."""
        return tuple(record for number in instance.known() for record in self._resource_records(instance, number))

    def read(self, path: ObjectPath) -> tuple[Record, ...]:
        """Read an object, an instance, a resource or a resource instance."""
        self._check_access(path)
        if path.object_id is None:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the root cannot be read")
        if path.level <= 2:
            return tuple(
                record
                for instance in self._selected(path)
                for number in instance.resources()
                if instance.supports("read", number)
                for record in self._resource_records(instance, number)
            )
        return self._read_resource(path)

    def read_readable(self, paths: Sequence[ObjectPath]) -> tuple[Record, ...]:
        """Read-Composite: what of `paths` exists and can be read (§6.3.8)."""
        records: list[Record] = []
        for path in paths:
            targets = [path] if path.level else [ObjectPath(number) for number in self.object_ids()]
            for target in targets:
                try:
                    records.extend(self.read(target))
                except OperationRefused:
                    continue
        return tuple(dict.fromkeys(records))

    async def write(self, path: ObjectPath, records: Sequence[Record], *, replace: bool = True) -> None:
        """Write an instance, a resource or a resource instance; without `replace` other resource instances stay."""
        if path.level < 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be written as a whole")
        if any(not path.contains(record.path) for record in records):
            raise OperationRefused(Code.BAD_REQUEST, f"the payload holds something outside {path}")
        if path.level == 2:
            self._instance(path)
        await self.write_all(records, replace=replace and path.level < 4)

    async def write_all(self, records: Sequence[Record], *, replace: bool = False) -> None:
        """Write all of `records`, or nothing when one of them cannot be written (§6.3.9)."""
        values = self.grouped(records)
        for path in values:
            self._check_access(path)
            self._check_operation(self._instance(path), path, "write")
        for path, value in values.items():
            instance, number = self._instance(path), _resource(path)
            await instance.write(number, value if replace else _merged(instance, number, value))

    async def execute(self, path: ObjectPath, arguments: Arguments) -> None:
        """Execute a resource."""
        self._check_access(path)
        if path.level != 3:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} is not a resource")
        instance = self._instance(path)
        self._check_operation(instance, path, "execute")
        await instance.execute(_resource(path), arguments)

    async def create(self, object_id: int, records: Sequence[Record]) -> ObjectInstance:
        """Create an instance of an object that has a factory, with the id that the payload asks for or a free one."""
        factory = self._factories.get(object_id)
        if factory is None:
            code = Code.METHOD_NOT_ALLOWED if object_id in self.object_ids() else Code.NOT_FOUND
            raise OperationRefused(code, f"instances of /{object_id} cannot be created")
        asked = {record.path.instance_id for record in records if record.path.instance_id is not None}
        taken = {instance.instance_id for instance in self.instances(object_id)}
        if len(asked) > 1 or asked & taken:
            raise OperationRefused(Code.BAD_REQUEST, "one new instance at a time")
        instance_id = asked.pop() if asked else next(number for number in range(0xFFFF) if number not in taken)
        instance = factory(instance_id)
        self.add(instance)
        try:
            await self.write_all([record for record in records if record.path.resource_id is not None])
        except OperationRefused:
            del self._instances[object_id, instance_id]
            raise
        return instance

    def delete(self, path: ObjectPath) -> None:
        """Delete an instance of an object that has a factory."""
        self._check_access(path)
        if path.level != 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} is not an object instance")
        instance = self._instance(path)
        if instance.object_id not in self._factories:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be deleted")
        del self._instances[instance.object_id, instance.instance_id]

    def discover(self, path: ObjectPath) -> tuple[tuple[ObjectPath, int | None], ...]:
        """Return what lies at and below `path`, with the number of instances of multiple resources (§6.4.2)."""
        self._check_access(path)
        if path.level in {0, 4}:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be discovered")
        if path.level == 3:
            return self._discover_resource(path)
        found: list[tuple[ObjectPath, int | None]] = [(path, None)]
        for instance in self._selected(path):
            here = ObjectPath(instance.object_id, instance.instance_id)
            if here != path:
                found.append((here, None))
            found.extend((here.child(number), _dimension(instance, number)) for number in instance.resources())
        return tuple(found)

    def _discover_resource(self, path: ObjectPath) -> tuple[tuple[ObjectPath, int | None], ...]:
        instance, number = self._instance(path), _resource(path)
        if number not in instance.resources():
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        return ((path, _dimension(instance, number)),)

    def _selected(self, path: ObjectPath) -> tuple[ObjectInstance, ...]:
        if path.level == 2:
            return (self._instance(path),)
        if path.object_id not in self.object_ids():
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        return self.instances(path.object_id)

    def _instance(self, path: ObjectPath) -> ObjectInstance:
        instance = self._instances.get((path.object_id, path.instance_id))  # type: ignore[arg-type]
        if instance is None:
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        return instance

    def _read_resource(self, path: ObjectPath) -> tuple[Record, ...]:
        instance = self._instance(path)
        self._check_operation(instance, path, "read")
        records = self._resource_records(instance, _resource(path))
        found = tuple(record for record in records if path.contains(record.path))
        if not found and path.level == 4:
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        return found

    def _resource_records(self, instance: ObjectInstance, number: int) -> tuple[Record, ...]:
        path = ObjectPath(instance.object_id, instance.instance_id, number)
        value = instance.read(number)
        if self.claims and value is not None:
            value = self.claims.get(path, value)
        if isinstance(value, Mapping):
            return tuple(Record(path.child(index), value[index]) for index in sorted(value))
        return () if value is None else (Record(path, value),)

    @staticmethod
    def _check_operation(instance: ObjectInstance, path: ObjectPath, operation: str) -> None:
        number = _resource(path)
        if instance.supports(operation, number):
            if operation == "read" and instance.read(number) is None:
                raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
            return
        code = Code.METHOD_NOT_ALLOWED if number in instance.resources() else Code.NOT_FOUND
        raise OperationRefused(code, f"{path}: no {operation} here")

    @staticmethod
    def _check_access(path: ObjectPath) -> None:
        # §6.1.1 and Annex E: no server but the bootstrap server may touch the objects with keys.
        if path.object_id in HIDDEN_OBJECTS:
            raise OperationRefused(Code.UNAUTHORIZED, f"object {path.object_id} belongs to the bootstrap server")

    @staticmethod
    def grouped(records: Sequence[Record]) -> dict[ObjectPath, ResourceValue]:
        """Return the values to write by resource, resource instances put together; raises OperationRefused 4.00."""
        singles: dict[ObjectPath, ResourceValue] = {}
        multiples: defaultdict[ObjectPath, dict[int, Value | None]] = defaultdict(dict)
        for record in records:
            path = record.path
            if path.resource_id is None or (record.value is None and path.resource_instance_id is None):
                raise OperationRefused(Code.BAD_REQUEST, f"{path} has no value to write")
            resource = ObjectPath(path.object_id, path.instance_id, path.resource_id)
            if path.resource_instance_id is not None:
                multiples[resource][path.resource_instance_id] = record.value
            elif record.value is not None:
                singles[resource] = record.value
        return singles | multiples  # type: ignore[return-value]


def _resource(path: ObjectPath) -> int:
    assert path.resource_id is not None  # noqa: S101 - callers ask for levels 3 and 4 only
    return path.resource_id


def _merged(instance: ObjectInstance, number: int, value: ResourceValue) -> ResourceValue:
    """Put written resource instances beside those that are there; one without a value is removed (§6.3.9)."""
    if not isinstance(value, Mapping):
        return value
    present = instance.read(number) if instance.supports("read", number) else None
    merged = {**present, **value} if isinstance(present, Mapping) else dict(value)
    return {index: one for index, one in merged.items() if one is not None}


def _dimension(instance: ObjectInstance, number: int) -> int | None:
    value = instance.read(number) if instance.supports("read", number) else None
    return len(value) if isinstance(value, Mapping) else None
