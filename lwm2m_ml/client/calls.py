"""The API's calls as data: what to send, and what comes back. The sync and the async client share them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from lwm2m_ml.client import schemas

Answer = TypeVar("Answer")


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
    return quote(text, safe="")


def _device(endpoint: str, tail: str = "") -> str:
    return f"/devices/{_segment(endpoint)}{tail}"


def _resource(endpoint: str, path: str) -> str:
    return _device(endpoint, f"/lwm2m/{quote(path.lstrip('/'))}")


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


def read(endpoint: str, path: str) -> Call[list[schemas.ResourceValue]]:
    """LwM2M Read of an object, object instance, resource or resource instance."""
    return Call("GET", _resource(endpoint, path), TypeAdapter(list[schemas.ResourceValue]), timeout=120.0)


def write(endpoint: str, path: str, value: str | int | float | bool) -> Call[None]:
    """LwM2M Write of one resource."""
    body = schemas.ValueToWrite(value=value).model_dump()
    return Call("PUT", _resource(endpoint, path), TypeAdapter(type(None)), json=body, timeout=120.0)


def execute(endpoint: str, path: str, arguments: str) -> Call[None]:
    """LwM2M Execute of one resource."""
    body = schemas.ExecuteArguments(arguments=arguments).model_dump()
    return Call("POST", _resource(endpoint, path), TypeAdapter(type(None)), json=body, timeout=120.0)


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
