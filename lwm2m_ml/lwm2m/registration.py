"""Register, Update and Bootstrap-Request: their parameters, read from any version's client and written for a device.

OMA-TS-LightweightM2M_Core-V1_2 §6.2 (V1_1_1 §6.2, V1_0_2 §5.3). Every malformed request maps to one CoAP response code.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.bindings import Binding
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.link_format import MAX_BYTES
from lwm2m_ml.lwm2m.object_list import ObjectKey, ObjectList, ObjectListError, format_object_list, parse_object_list
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.versions import SUPPORTED_VERSIONS, Version, VersionError

DEFAULT_LIFETIME = 86_400
NO_EXPIRY = 0
MAX_LIFETIME = 2**32 - 1
MAX_ENDPOINT_BYTES = 255
MAX_PARAMETERS = 32
MAX_OBJECTS = 4096
REMEMBERED_BYTES = 4096
REMEMBERED_REGISTRATIONS = 512


class RegistrationError(InvalidInputError):
    """A Register, Update or Bootstrap-Request cannot be accepted; `code` is the CoAP response to send."""

    def __init__(self, message: str, *, hint: str = "", code: ResponseCode = ResponseCode.BAD_REQUEST) -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass(frozen=True, slots=True)
class RegistrationParameters:
    """What a client says when it registers.

    `endpoint` is None where the client leaves it out and the security identity must tell it. `lifetime` is in seconds,
    0 means that the registration does not expire. `objects` maps (object, instance or None) to the object's version.
    """

    endpoint: str | None
    lifetime: int = DEFAULT_LIFETIME
    version: str = "1.0"
    binding: str = "U"
    queue_mode: bool = False
    sms: str | None = None
    objects: Mapping[ObjectKey, str] = field(default_factory=dict)
    content_formats: frozenset[int] = frozenset()
    root_path: str = "/"
    profile_id: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def object_versions(self) -> dict[int, str]:
        """The version of each registered object."""
        return {object_id: version for (object_id, _), version in self.objects.items()}

    def named(self, endpoint: str | None) -> RegistrationParameters:
        """Return the same for another endpoint. Written out: `dataclasses.replace` takes three times as long."""
        if endpoint == self.endpoint:
            return self
        return RegistrationParameters(
            endpoint,
            self.lifetime,
            self.version,
            self.binding,
            self.queue_mode,
            self.sms,
            self.objects,
            self.content_formats,
            self.root_path,
            self.profile_id,
            self.attributes,
        )

    def instances(self, object_id: int) -> tuple[int, ...]:
        """Return the registered instances of an object, in order."""
        return tuple(
            sorted(instance for known, instance in self.objects if known == object_id and instance is not None)
        )


@dataclass(frozen=True, slots=True)
class UpdateParameters:
    """What a client changes with an Update; None everywhere it says nothing."""

    lifetime: int | None = None
    binding: str | None = None
    queue_mode: bool | None = None
    sms: str | None = None
    objects: Mapping[ObjectKey, str] | None = None
    content_formats: frozenset[int] | None = None
    root_path: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


UNCHANGED = UpdateParameters()
"""What an Update says that only keeps a registration alive, as most do."""


@dataclass(frozen=True, slots=True)
class BootstrapParameters:
    """What a client says when it asks a bootstrap server for its configuration (V1_2 §6.1.6)."""

    endpoint: str | None
    preferred_content_format: int | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


_REGISTER_NAMES = frozenset({"ep", "lt", "lwm2m", "b", "Q", "sms", "pid"})
_UPDATE_NAMES = frozenset({"lt", "b", "Q", "sms"})
_BOOTSTRAP_NAMES = frozenset({"ep", "pct"})


def parse_registration(query: Sequence[str], payload: bytes, content_format: int | None) -> RegistrationParameters:
    """Read a Register request from its Uri-Query options, payload and Content-Format option."""
    endpoint, parameters = parse_register(query, payload, content_format)
    return parameters.named(endpoint)


def parse_register(
    query: Sequence[str], payload: bytes, content_format: int | None
) -> tuple[str | None, RegistrationParameters]:
    """Read a Register request: the endpoint name, if it tells one, and everything else, without the name.

    Devices of one kind say the same but for their names: what is short is read once, and they share the result.
    """
    names = [item for item in query if item[:3] == "ep="]
    if len(names) != 1 or len(payload) > REMEMBERED_BYTES:
        parameters = _parse_registration(query, payload, content_format)
        return parameters.endpoint, parameters.named(None)
    others = tuple([item for item in query if item[:3] != "ep="])
    parameters = _parse_alike(others, payload, content_format)
    return _endpoint_name(names[0][3:]), parameters


def _parse_registration(query: Sequence[str], payload: bytes, content_format: int | None) -> RegistrationParameters:
    parameters = _parameters(query)
    version = _protocol_version(parameters)
    binding = _binding(parameters, version)
    listed = _object_list(payload, content_format, str(version))
    if not listed.objects and parameters.get("pid") is None:
        raise RegistrationError("A registration lists no objects", hint="Send the objects in link format")
    return RegistrationParameters(
        endpoint=_endpoint(parameters),
        lifetime=DEFAULT_LIFETIME if "lt" not in parameters else _lifetime(parameters["lt"]),
        version=str(version),
        binding=binding.transports,
        queue_mode=binding.queue_mode,
        sms=parameters.get("sms"),
        objects=listed.objects,
        content_formats=_with_mandatory_formats(listed.content_formats, version),
        root_path=listed.root_path,
        profile_id=parameters.get("pid"),
        attributes={name: value for name, value in parameters.items() if name not in _REGISTER_NAMES},
    )


_parse_alike = functools.lru_cache(maxsize=REMEMBERED_REGISTRATIONS)(_parse_registration)


def parse_update(
    query: Sequence[str], payload: bytes, content_format: int | None, *, version: str = "1.0"
) -> UpdateParameters:
    """Read an Update request of a client that registered with that version."""
    if not query and not payload:
        return UNCHANGED
    parameters = _parameters(query)
    spoken = Version.parse(version)
    binding = _binding(parameters, spoken) if {"b", "Q"} & parameters.keys() else None
    listed = _object_list(payload, content_format, version) if payload else None
    formats = None if listed is None or listed.content_formats is None else listed.content_formats
    return UpdateParameters(
        lifetime=_lifetime(parameters["lt"]) if "lt" in parameters else None,
        binding=binding.transports if binding is not None and "b" in parameters else None,
        queue_mode=binding.queue_mode if binding is not None else None,
        sms=parameters.get("sms"),
        objects=None if listed is None else listed.objects,
        content_formats=None if formats is None else _with_mandatory_formats(formats, spoken),
        root_path=None if listed is None else listed.root_path,
        attributes={name: value for name, value in parameters.items() if name not in _UPDATE_NAMES},
    )


def parse_bootstrap_request(query: Sequence[str]) -> BootstrapParameters:
    """Read a Bootstrap-Request from its Uri-Query options."""
    parameters = _parameters(query)
    preferred = parameters.get("pct")
    if preferred is not None and not (preferred.isascii() and preferred.isdigit() and len(preferred) <= 5):
        raise RegistrationError(f"pct={preferred[:20]} is not a content format", hint="Send its number, like pct=112")
    return BootstrapParameters(
        endpoint=_endpoint(parameters),
        preferred_content_format=None if preferred is None else int(preferred),
        attributes={name: value for name, value in parameters.items() if name not in _BOOTSTRAP_NAMES},
    )


def _parameters(query: Sequence[str]) -> dict[str, str | None]:
    if len(query) > MAX_PARAMETERS:
        raise RegistrationError(f"A request has {len(query)} parameters", hint=f"At most {MAX_PARAMETERS} are read")
    parameters: dict[str, str | None] = {}
    for item in query:
        name, separator, value = item.partition("=")
        if not name:
            continue  # "?&ep=…" leaves an empty option behind
        if name in parameters:
            raise RegistrationError(f"The parameter {name[:20]} occurs twice", hint="Send each parameter once")
        parameters[name] = value if separator else None
    return parameters


def _endpoint(parameters: Mapping[str, str | None]) -> str | None:
    return _endpoint_name(parameters["ep"]) if "ep" in parameters else None


def _endpoint_name(endpoint: str | None) -> str:
    if not endpoint:
        raise RegistrationError("The endpoint name is empty", hint="Send ep=NAME or leave ep out")
    if len(endpoint.encode()) > MAX_ENDPOINT_BYTES or not endpoint.isprintable():
        raise RegistrationError(
            "The endpoint name is too long or not printable", hint=f"Use at most {MAX_ENDPOINT_BYTES} bytes"
        )
    return endpoint


def _protocol_version(parameters: Mapping[str, str | None]) -> Version:
    text = parameters.get("lwm2m")
    if not text:
        raise RegistrationError("The parameter lwm2m is missing", hint="Send lwm2m=1.0, 1.1 or 1.2")
    try:
        version = Version.parse(text)
    except VersionError as error:
        raise RegistrationError(error.message, hint=error.hint) from error
    if version not in SUPPORTED_VERSIONS:
        # V1_2 §6.2.1: a client that gets 4.12 tries again with a version it shares with the server.
        raise RegistrationError(
            f"LwM2M {version} is not spoken here",
            hint=f"Use one of {', '.join(map(str, SUPPORTED_VERSIONS))}",
            code=ResponseCode.PRECONDITION_FAILED,
        )
    return version


def _lifetime(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_LIFETIME):
        raise RegistrationError(f"lt={(text or '')[:20]} is not a lifetime", hint="Send whole seconds below 2^32")
    return int(text)


def _binding(parameters: Mapping[str, str | None], version: Version) -> Binding:
    text = parameters.get("b")
    if "b" in parameters and not text:
        raise RegistrationError("The binding is empty", hint="Send b=U or leave b out")
    binding = Binding.parse(text or "U")
    if binding is None:
        raise RegistrationError(f"b={(text or '')[:20]} is not a binding", hint="Use the letters U, T, S, N, M and H")
    if "Q" in parameters:
        if parameters["Q"]:
            raise RegistrationError("The parameter Q has a value", hint="Send a bare Q")
        binding = Binding(binding.transports, queue_mode=True)
    return binding


def _object_list(payload: bytes, content_format: int | None, version: str) -> ObjectList:
    # Some clients leave the Content-Format out; the payload has only one meaning.
    if payload and content_format not in {None, ContentFormat.LINK}:
        raise RegistrationError(
            f"The object list came in content format {content_format}",
            hint="Send application/link-format (40)",
            code=ResponseCode.UNSUPPORTED_CONTENT_FORMAT,
        )
    if len(payload) > MAX_BYTES:
        raise RegistrationError(
            f"The object list has {len(payload)} bytes",
            hint=f"At most {MAX_BYTES} are read",
            code=ResponseCode.REQUEST_ENTITY_TOO_LARGE,
        )
    try:
        listed = parse_object_list(payload, version)
    except ObjectListError as error:
        raise RegistrationError(error.message, hint=error.hint) from error
    if len(listed.objects) > MAX_OBJECTS:
        raise RegistrationError(
            f"A registration lists {len(listed.objects)} objects",
            hint=f"At most {MAX_OBJECTS} are kept",
            code=ResponseCode.REQUEST_ENTITY_TOO_LARGE,
        )
    return listed


# What every client of a version can do without saying so (V1_0_2 §6.4, V1_1_1 §7.4).
_MANDATORY_FORMATS = {
    Version(1, 0): frozenset({ContentFormat.TLV.value}),
}


def _with_mandatory_formats(told: frozenset[int] | None, version: Version) -> frozenset[int]:
    return (told or frozenset()) | _MANDATORY_FORMATS.get(version, frozenset())


def format_registration(parameters: RegistrationParameters) -> tuple[tuple[str, ...], bytes]:
    """Return the Uri-Query options and the payload (content format 40) of a Register request."""
    query = [] if parameters.endpoint is None else [f"ep={parameters.endpoint}"]
    query += [f"lt={parameters.lifetime}", f"lwm2m={parameters.version}"]
    query += _binding_options(parameters.binding, parameters.queue_mode, Version.parse(parameters.version))
    if parameters.sms is not None:
        query.append(f"sms={parameters.sms}")
    if parameters.profile_id is not None:
        query.append(f"pid={parameters.profile_id}")
    query += [name if value is None else f"{name}={value}" for name, value in parameters.attributes.items()]
    return tuple(query), _payload(parameters.objects, parameters)


def format_update(update: UpdateParameters, registered: RegistrationParameters) -> tuple[tuple[str, ...], bytes]:
    """Return the Uri-Query options and the payload of an Update; the payload is empty where no objects changed."""
    query = [] if update.lifetime is None else [f"lt={update.lifetime}"]
    if update.binding is not None or update.queue_mode is not None:
        binding = update.binding or registered.binding
        queue_mode = registered.queue_mode if update.queue_mode is None else update.queue_mode
        query += _binding_options(binding, queue_mode, Version.parse(registered.version))
    if update.sms is not None:
        query.append(f"sms={update.sms}")
    query += [name if value is None else f"{name}={value}" for name, value in update.attributes.items()]
    return tuple(query), b"" if update.objects is None else _payload(update.objects, registered)


def _binding_options(binding: str, queue_mode: bool, version: Version) -> list[str]:
    if version == Version(1, 0):
        return [f"b={binding[0]}{'Q' if queue_mode else ''}{binding[1:]}"]
    return [f"b={binding}", "Q"] if queue_mode else [f"b={binding}"]


def _payload(objects: Mapping[ObjectKey, str], parameters: RegistrationParameters) -> bytes:
    formats = parameters.content_formats - _MANDATORY_FORMATS.get(Version.parse(parameters.version), frozenset())
    return format_object_list(objects, parameters.version, content_formats=formats, root_path=parameters.root_path)
