"""The API's calls as data: what to send, and what comes back. The sync and the async client share them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas import Plain

Answer = TypeVar("Answer")

NOTHING: TypeAdapter[None] = TypeAdapter(type(None))


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One HTTP request below the API's root, and the type of its answer."""

    method: str
    path: str
    answer: TypeAdapter[Answer]
    json: Any = None
    query: tuple[tuple[str, str], ...] = ()
    timeout: float = 30.0


def _segment(text: str) -> str:
    # A slash within a name is escaped twice: servers decode once before they look for the slashes of the path.
    return quote(text.replace("/", "%2F"), safe="")


def _device(endpoint: str, tail: str = "") -> str:
    return f"/devices/{_segment(endpoint)}{tail}"


def _operation(
    method: str,
    endpoint: str,
    path: str,
    answer: TypeAdapter[Answer],
    body: schemas.Schema | None = None,
    *,
    query: tuple[tuple[str, str], ...] = (),
    behind: str = "",
) -> Call[Answer]:
    """An LwM2M operation on a device, or on one behind it; devices may take their time."""
    where = _device(endpoint, f"/lwm2m/{quote(path.lstrip('/'))}")
    query = (*query, ("behind", behind)) if behind else query
    return Call(method, where, answer, json=None if body is None else body.model_dump(), query=query, timeout=120.0)


def health() -> Call[schemas.Health]:
    """Is the server there?"""
    return Call("GET", "/health", TypeAdapter(schemas.Health))


def trust_anchor() -> Call[schemas.TrustAnchor]:
    """The public key that devices check modules with."""
    return Call("GET", "/trust-anchor", TypeAdapter(schemas.TrustAnchor))


def devices() -> Call[list[schemas.Device]]:
    """All registered devices."""
    return Call("GET", "/devices", TypeAdapter(list[schemas.Device]))


def device(endpoint: str) -> Call[schemas.Device]:
    """One device."""
    return Call("GET", _device(endpoint), TypeAdapter(schemas.Device))


def read(endpoint: str, path: str, behind: str = "") -> Call[list[schemas.ResourceValue]]:
    """LwM2M Read of an object, object instance, resource or resource instance."""
    return _operation("GET", endpoint, path, TypeAdapter(list[schemas.ResourceValue]), behind=behind)


def write(
    endpoint: str, path: str, value: Plain | Mapping[str, Plain], *, replace: bool = True, behind: str = ""
) -> Call[None]:
    """LwM2M Write of one value, or of values by path."""
    body: schemas.Schema = (
        schemas.ValuesToWrite(values=dict(value)) if isinstance(value, Mapping) else schemas.ValueToWrite(value=value)
    )
    return _operation("PUT" if replace else "PATCH", endpoint, path, NOTHING, body, behind=behind)


def execute(endpoint: str, path: str, arguments: str, behind: str = "") -> Call[None]:
    """LwM2M Execute of one resource."""
    return _operation("POST", endpoint, path, NOTHING, schemas.ExecuteArguments(arguments=arguments), behind=behind)


def discover(endpoint: str, path: str, depth: int | None = None, behind: str = "") -> Call[list[schemas.Link]]:
    """LwM2M Discover."""
    query = () if depth is None else (("depth", str(depth)),)
    answer = TypeAdapter(list[schemas.Link])
    return _operation("GET", endpoint, f"{path.rstrip('/')}/links", answer, query=query, behind=behind)


def create(
    endpoint: str, path: str, values: Mapping[str, Plain], instance: int | None = None, behind: str = ""
) -> Call[schemas.Created]:
    """LwM2M Create of an object instance."""
    body = schemas.InstanceToCreate(instance=instance, values=dict(values))
    return _operation("POST", endpoint, path, TypeAdapter(schemas.Created), body, behind=behind)


def delete(endpoint: str, path: str, behind: str = "") -> Call[None]:
    """LwM2M Delete of an object instance."""
    return _operation("DELETE", endpoint, path, NOTHING, behind=behind)


def write_attributes(
    endpoint: str, path: str, attributes: Mapping[str, float | bool], clear: Sequence[str] = (), behind: str = ""
) -> Call[None]:
    """LwM2M Write-Attributes."""
    body = schemas.AttributesToWrite(set=dict(attributes), clear=list(clear))
    return _operation("PATCH", endpoint, f"{path.rstrip('/')}/attributes", NOTHING, body, behind=behind)


def read_composite(endpoint: str, paths: Sequence[str]) -> Call[list[schemas.ResourceValue]]:
    """LwM2M Read-Composite."""
    body = schemas.PathsToRead(paths=list(paths))
    return _operation("POST", endpoint, "/read", TypeAdapter(list[schemas.ResourceValue]), body)


def write_composite(endpoint: str, values: Mapping[str, Plain]) -> Call[None]:
    """LwM2M Write-Composite."""
    return _operation("POST", endpoint, "/write", NOTHING, schemas.ValuesToWrite(values=dict(values)))


def observe(endpoint: str, paths: Sequence[str], behind: str = "") -> Call[list[schemas.ResourceValue]]:
    """LwM2M Observe of one path or Observe-Composite of several, as a stream of events of the answer's type."""
    answer = TypeAdapter(list[schemas.ResourceValue])
    if len(paths) == 1:
        return _operation("GET", endpoint, f"{paths[0].rstrip('/')}/events", answer, behind=behind)
    return _operation("GET", endpoint, "/events", answer, query=tuple(("path", path) for path in paths))


def queue(
    endpoint: str,
    operation: str,
    *,
    paths: Sequence[str] = (),
    values: Mapping[str, Plain] | None = None,
    replace: bool = True,
    arguments: str = "",
    attributes: Sequence[str] = (),
    expires_in: float | None = None,
) -> Call[schemas.DeviceRequest]:
    """An operation to do as soon as the device is awake."""
    body = {
        "operation": operation,
        "paths": list(paths),
        "values": dict(values or {}),
        "replace": replace,
        "arguments": arguments,
        "attributes": list(attributes),
        "expires_in": expires_in,
    }
    return Call("POST", _device(endpoint, "/requests"), TypeAdapter(schemas.DeviceRequest), json=body)


def requests(endpoint: str) -> Call[list[schemas.DeviceRequest]]:
    """The queued operations of a device, oldest first."""
    return Call("GET", _device(endpoint, "/requests"), TypeAdapter(list[schemas.DeviceRequest]))


def request(number: int) -> Call[schemas.DeviceRequest]:
    """One queued operation with its state and outcome."""
    return Call("GET", f"/requests/{number}", TypeAdapter(schemas.DeviceRequest))


def cancel_request(number: int) -> Call[None]:
    """Take a waiting operation back."""
    return Call("DELETE", f"/requests/{number}", NOTHING)


def models() -> Call[list[schemas.Model]]:
    """The zoo."""
    return Call("GET", "/models", TypeAdapter(list[schemas.Model]))


def reference(model: str, variant: str, inputs: Sequence[Sequence[float]]) -> Call[schemas.ReferenceAnswers]:
    """What the integer reference of a variant answers to inputs."""
    body = schemas.ReferenceRequest(inputs=[list(row) for row in inputs]).model_dump()
    path = f"/models/{_segment(model)}/variants/{_segment(variant)}/reference"
    return Call("POST", path, TypeAdapter(schemas.ReferenceAnswers), json=body, timeout=300.0)


def deploy(model: str, endpoints: Sequence[str] | str) -> Call[schemas.Deployment]:
    """Start a deployment."""
    chosen = endpoints if isinstance(endpoints, str) else list(endpoints)
    body = schemas.DeploymentRequest(model=model, endpoints=chosen).model_dump()
    return Call("POST", "/deployments", TypeAdapter(schemas.Deployment), json=body)


def deployment(deployment_id: str) -> Call[schemas.Deployment]:
    """One deployment as it stands."""
    return Call("GET", f"/deployments/{_segment(deployment_id)}", TypeAdapter(schemas.Deployment))


def results(endpoint: str, since: int) -> Call[list[schemas.Result]]:
    """The inference results of a device with numbers above `since`, oldest first."""
    answer = TypeAdapter(list[schemas.Result])
    return Call("GET", _device(endpoint, "/results"), answer, query=(("since", str(since)),))


def module(digest: str) -> Call[schemas.Module]:
    """A built module and its measured facts."""
    return Call("GET", f"/modules/{_segment(digest)}", TypeAdapter(schemas.Module))
