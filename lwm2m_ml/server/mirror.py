"""The durable mirror of the registry: what must be on disk before a device is answered, and what may lag."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from lwm2m_ml.lwm2m.object_list import ObjectKey
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.registrations import RegistrationRecord, RegistrationRepository

SHARED_LISTS = 512
LARGEST_SHARED = 256
"""Lists and their objects that are remembered as they are written; devices of one kind share theirs."""

log = structlog.get_logger(__name__)


class RegistrationMirror:
    """Writes registrations to the store. Mere signs of life are gathered and written up to `lag` seconds later."""

    def __init__(self, repository: RegistrationRepository, *, lag: float) -> None:
        self._repository = repository
        self._lag = lag
        self._heard: dict[str, Registration] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, registration: Registration) -> asyncio.Future[None]:
        """Write a registration; the future is done when it is on disk."""
        self._heard.pop(registration.endpoint, None)
        return self._repository.put(to_record(registration))

    def delete(self, endpoint: str) -> asyncio.Future[None]:
        """Remove a registration; the future is done when it is off the disk."""
        self._heard.pop(endpoint, None)
        return self._repository.delete(endpoint)

    def heard(self, registration: Registration) -> None:
        """Note a sign of life, to be written soon."""
        self._heard[registration.endpoint] = registration
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._lag, self._write)

    async def load(self) -> tuple[RegistrationRecord, ...]:
        """What was registered when the server stopped."""
        return await self._repository.all()

    async def close(self) -> None:
        """Write the signs of life that still wait."""
        if self._timer is not None:
            self._timer.cancel()
        pending = self._write()
        if pending:
            await asyncio.wait(pending)

    def _write(self) -> list[asyncio.Future[None]]:
        self._timer = None
        heard, self._heard = self._heard, {}
        try:
            return [
                self._repository.touch(
                    one.endpoint, now=one.updated_at, host=one.remote.address[0], port=one.remote.address[1]
                )
                for one in heard.values()
            ]
        except StoreError as error:
            log.warning("signs of life not written", devices=len(heard), reason=str(error))
            return []


def to_record(registration: Registration) -> RegistrationRecord:
    """The store's record of a registration."""
    parameters = registration.parameters
    host, port = registration.address
    return RegistrationRecord(
        endpoint=registration.endpoint,
        location=registration.location,
        address_host=host,
        address_port=port,
        identity=registration.identity,
        lifetime=parameters.lifetime,
        version=parameters.version,
        binding=parameters.binding,
        queue_mode=parameters.queue_mode,
        parameters={**_to_document(parameters), "scheme": registration.remote.scheme},
        registered_at=registration.registered_at,
        updated_at=registration.updated_at,
    )


def scheme_of(record: RegistrationRecord) -> str:
    """The URI scheme of the transport that the device came in by."""
    return str(record.parameters.get("scheme", "coap"))


def to_parameters(record: RegistrationRecord) -> RegistrationParameters:
    """What the device said, from the store's record."""
    document = record.parameters
    return RegistrationParameters(
        endpoint=record.endpoint,
        lifetime=record.lifetime,
        version=record.version,
        binding=record.binding,
        queue_mode=record.queue_mode,
        sms=document["sms"],
        objects={_object_key(path): version for path, version in document["objects"].items()},
        content_formats=frozenset(document["content_formats"]),
        root_path=document["root_path"],
        profile_id=document["profile_id"],
        attributes=document["attributes"],
    )


def _to_document(parameters: RegistrationParameters) -> dict[str, Any]:
    return {
        "sms": parameters.sms,
        "objects": _objects_document(parameters.objects),
        "content_formats": sorted(parameters.content_formats),
        "root_path": parameters.root_path,
        "profile_id": parameters.profile_id,
        "attributes": dict(parameters.attributes),
    }


class _Objects:
    """The object list of a kind of devices, which its registrations share, and how it is written."""

    __slots__ = ("document", "objects")

    def __init__(self, objects: Mapping[ObjectKey, str]) -> None:
        self.objects = objects  # held, so that nothing else gets its id
        self.document = {_to_path(key): version for key, version in objects.items()}


_written: dict[int, _Objects] = {}


def _objects_document(objects: Mapping[ObjectKey, str]) -> dict[str, str]:
    if len(objects) > LARGEST_SHARED:
        return _Objects(objects).document
    known = _written.get(id(objects))
    if known is None:
        if len(_written) >= SHARED_LISTS:
            del _written[next(iter(_written))]
        known = _written[id(objects)] = _Objects(objects)
    return known.document


def _to_path(key: ObjectKey) -> str:
    object_id, instance_id = key
    return f"/{object_id}" if instance_id is None else f"/{object_id}/{instance_id}"


def _object_key(path: str) -> ObjectKey:
    numbers = path.split("/")
    return int(numbers[1]), int(numbers[2]) if len(numbers) > 2 else None
