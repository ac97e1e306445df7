"""Registrations as the store keeps them: in columns, and a document that devices of one kind share."""

import functools
import json
import sys
from collections.abc import Mapping
from typing import Any

from lwm2m_ml.lwm2m.object_list import ObjectKey
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.errors import UnreadableRecord
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.store.registrations import RegistrationRecord

REMEMBERED_DOCUMENTS = 512
REMEMBERED_LENGTH = 8_192
REMEMBERED_OBJECTS = 256
"""Documents of at most so many objects that are remembered as they are written: devices of one kind share theirs."""
DAMAGES = (ValueError, TypeError, LookupError, AttributeError)
"""What reading a document raises that this server did not write."""


def to_record(registration: Registration) -> RegistrationRecord:
    """The store's record of a registration."""
    parameters = registration.parameters
    host, port = registration.address
    return RegistrationRecord(
        registration.endpoint,
        registration.location,
        host,
        port,
        registration.identity,
        parameters.lifetime,
        parameters.version,
        parameters.binding,
        parameters.queue_mode,
        _written(parameters, registration.remote.scheme),
        registration.registered_at,
        registration.updated_at,
    )


def scheme_of(record: RegistrationRecord) -> str:
    """The URI scheme of the transport that the device came in by; raises `UnreadableRecord`."""
    try:
        return str(_read(record.parameters).get("scheme", "coap"))
    except DAMAGES as error:
        raise UnreadableRecord(record.endpoint) from error


def to_parameters(record: RegistrationRecord) -> RegistrationParameters:
    """What the device said, from the store's record. Devices of one kind share it. Raises `UnreadableRecord`."""
    make = _parameters if len(record.parameters) <= REMEMBERED_LENGTH else _parameters.__wrapped__
    try:
        return make(record.lifetime, record.version, record.binding, record.queue_mode, record.parameters)
    except DAMAGES as error:
        raise UnreadableRecord(record.endpoint) from error


@functools.lru_cache(maxsize=REMEMBERED_DOCUMENTS)
def _parameters(lifetime: int, version: str, binding: str, queue_mode: bool, text: str) -> RegistrationParameters:
    document = _read(text)
    return RegistrationParameters(
        endpoint=None,
        lifetime=lifetime,
        version=version,
        binding=binding,
        queue_mode=queue_mode,
        sms=document["sms"],
        objects=document["objects"],
        content_formats=document["content_formats"],
        root_path=document["root_path"],
        profile_id=document["profile_id"],
        attributes=document["attributes"],
    )


def _read(text: str) -> Mapping[str, Any]:
    """The document of what has no column of its own. Devices of one kind share it as long as nobody changes it."""
    return (_read_once if len(text) <= REMEMBERED_LENGTH else _read_anew)(text)


def _read_anew(text: str) -> Mapping[str, Any]:
    document = json.loads(text)
    objects = {_object_key(path): sys.intern(version) for path, version in document["objects"].items()}
    return {**document, "objects": objects, "content_formats": frozenset(document["content_formats"])}


_read_once = functools.lru_cache(maxsize=REMEMBERED_DOCUMENTS)(_read_anew)


def _written(parameters: RegistrationParameters, scheme: str) -> str:
    """The document of what has no column of its own."""
    objects, attributes = parameters.objects, parameters.attributes
    if len(objects) > REMEMBERED_OBJECTS or attributes:
        return json.dumps(_to_document(parameters, scheme))
    said = parameters.sms, parameters.content_formats, parameters.root_path, parameters.profile_id, scheme
    known = _documents.get(id(objects))
    if known is None or known[0] is not objects or known[1] != said:
        if len(_documents) >= REMEMBERED_DOCUMENTS:
            del _documents[next(iter(_documents))]
        known = _documents[id(objects)] = objects, said, json.dumps(_to_document(parameters, scheme))
    return known[2]


_documents: dict[int, tuple[Mapping[ObjectKey, str], tuple[object, ...], str]] = {}
"""The last document by the identity of its list of objects, which it holds, so that nothing else gets that identity."""


def _to_document(parameters: RegistrationParameters, scheme: str) -> dict[str, Any]:
    return {
        "sms": parameters.sms,
        "objects": {_to_path(key): version for key, version in parameters.objects.items()},
        "content_formats": sorted(parameters.content_formats),
        "root_path": parameters.root_path,
        "profile_id": parameters.profile_id,
        "attributes": dict(parameters.attributes),
        "scheme": scheme,
    }


def _to_path(key: ObjectKey) -> str:
    object_id, instance_id = key
    return f"/{object_id}" if instance_id is None else f"/{object_id}/{instance_id}"


def _object_key(path: str) -> ObjectKey:
    numbers = path.split("/")
    return int(numbers[1]), int(numbers[2]) if len(numbers) > 2 else None
