"""The calls about devices: lists, LwM2M operations, requests to sleeping ones, results."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote

from pydantic import BeforeValidator, TypeAdapter

from lwm2m_ml.client import schemas
from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Plain
from lwm2m_ml.client.schemas.campaigns import DeviceUpdate

Answer = TypeVar("Answer")

CREATED: TypeAdapter[str] = TypeAdapter(Annotated[str, BeforeValidator(lambda made: schemas.Created(**made).path)])


def _device(endpoint: str, tail: str = "") -> str:
    return f"/devices/{segment(endpoint)}{tail}"


def _operation(
    method: str,
    endpoint: str,
    path: str,
    answer: TypeAdapter[Answer],
    body: schemas.Schema | None = None,
    *,
    query: tuple[tuple[str, str], ...] = (),
    behind: str = "",
    only_reads: bool = False,
) -> Call[Answer]:
    """An LwM2M operation on a device, or on one behind it; devices may take their time."""
    where = _device(endpoint, f"/lwm2m/{quote(path.lstrip('/'))}")
    query = (*query, *query_of(behind=behind))
    content = None if body is None else body.model_dump()
    return Call(method, where, answer, json=content, query=query, timeout=120.0, only_reads=only_reads)


def devices(
    *,
    endpoint: str = "",
    target: str = "",
    manufacturer: str = "",
    model_number: str = "",
    binding: str = "",
    lwm2m_version: str = "",
    object_id: int | None = None,
    seen_since: float | None = None,
    seen_before: float | None = None,
    filter: str = "",
    alarmed: bool = False,
    sort: str = "endpoint",
    limit: int = LARGEST_PAGE,
    cursor: str = "",
) -> Call[schemas.Page[schemas.Device]]:
    """Registered devices, all or those that fit: texts are patterns such as `sensor-*`, times Unix seconds.

    `filter` has conditions as groups have them (`model=digits storage_free>=20000`); `alarmed`: with open alarms only.
    `sort` is `endpoint`, `registered_at` or `last_seen`, with `-` before it for the greatest first.
    """
    query = query_of(
        endpoint=endpoint,
        target=target,
        manufacturer=manufacturer,
        model_number=model_number,
        binding=binding,
        lwm2m_version=lwm2m_version,
        object=object_id,
        seen_since=seen_since,
        seen_before=seen_before,
        filter=filter,
        alarmed="true" if alarmed else None,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    return Call("GET", "/devices", TypeAdapter(schemas.Page[schemas.Device]), query=query)


def fleet() -> Call[schemas.Fleet]:
    """All registered devices, counted by what they are and what they run."""
    return Call("GET", "/fleet", TypeAdapter(schemas.Fleet))


def device(endpoint: str) -> Call[schemas.Device]:
    """One device."""
    return Call("GET", _device(endpoint), TypeAdapter(schemas.Device))


def history(endpoint: str) -> Call[schemas.DeviceHistory]:
    """When a device came and went lately, and its traffic."""
    return Call("GET", _device(endpoint, "/history"), TypeAdapter(schemas.DeviceHistory))


def messages(endpoint: str, after: int = 0) -> Call[list[schemas.LoggedMessage]]:
    """CoAP messages of a device since it is looked at, from after a number on; the first look begins the log."""
    answer = TypeAdapter(list[schemas.LoggedMessage])
    return Call("GET", _device(endpoint, "/messages"), answer, query=query_of(after=after or None))


def updates(endpoint: str) -> Call[list[DeviceUpdate]]:
    """The campaigns that a device took part in, the newest first, each with its diagnosis."""
    return Call("GET", _device(endpoint, "/updates"), TypeAdapter(list[DeviceUpdate]))


def infer(endpoint: str, values: Sequence[float]) -> Call[schemas.Inference]:
    """Have a device infer an input, flattened, with the model that it runs; its sensors and counts are left alone."""
    body = schemas.InferenceRequest(input=list(values)).model_dump()
    return Call("POST", _device(endpoint, "/inferences"), TypeAdapter(schemas.Inference), json=body, timeout=180.0)


def read(endpoint: str, path: str, *, behind: str = "") -> Call[list[schemas.ResourceValue]]:
    """LwM2M Read of an object, object instance, resource or resource instance."""
    return _operation("GET", endpoint, path, TypeAdapter(list[schemas.ResourceValue]), behind=behind)


def write(
    endpoint: str, path: str, value: Plain | Mapping[str, Plain], *, replace: bool = True, behind: str = ""
) -> Call[None]:
    """LwM2M Write of one value, or of values by path; unless `replace`, what is not named stays."""
    body: schemas.Schema = (
        schemas.ValuesToWrite(values=dict(value)) if isinstance(value, Mapping) else schemas.ValueToWrite(value=value)
    )
    return _operation("PUT" if replace else "PATCH", endpoint, path, NOTHING, body, behind=behind)


def execute(endpoint: str, path: str, arguments: str = "", *, behind: str = "") -> Call[None]:
    """LwM2M Execute of one resource."""
    return _operation("POST", endpoint, path, NOTHING, schemas.ExecuteArguments(arguments=arguments), behind=behind)


def discover(endpoint: str, path: str, *, depth: int | None = None, behind: str = "") -> Call[list[schemas.Link]]:
    """LwM2M Discover; `depth` needs a device that speaks 1.2."""
    answer = TypeAdapter(list[schemas.Link])
    where = f"{path.rstrip('/')}/links"
    return _operation("GET", endpoint, where, answer, query=query_of(depth=depth), behind=behind)


def create(
    endpoint: str,
    path: str,
    values: Mapping[str, Plain] | None = None,
    *,
    instance: int | None = None,
    behind: str = "",
) -> Call[str]:
    """LwM2M Create of an object instance, with values by resource (`1`, `10/0`); the answer is its path."""
    body = schemas.InstanceToCreate(instance=instance, values=dict(values or {}))
    return _operation("POST", endpoint, path, CREATED, body, behind=behind)


def delete(endpoint: str, path: str, *, behind: str = "") -> Call[None]:
    """LwM2M Delete of an object instance."""
    return _operation("DELETE", endpoint, path, NOTHING, behind=behind)


def write_attributes(
    endpoint: str,
    path: str,
    attributes: Mapping[str, float | bool] | None = None,
    *,
    clear: Sequence[str] = (),
    behind: str = "",
) -> Call[None]:
    """LwM2M Write-Attributes, such as `{"pmin": 10}`."""
    body = schemas.AttributesToWrite(set=dict(attributes or {}), clear=list(clear))
    return _operation("PATCH", endpoint, f"{path.rstrip('/')}/attributes", NOTHING, body, behind=behind)


def read_composite(endpoint: str, paths: Sequence[str], *, behind: str = "") -> Call[list[schemas.ResourceValue]]:
    """LwM2M Read-Composite."""
    body = schemas.PathsToRead(paths=list(paths))
    answer = TypeAdapter(list[schemas.ResourceValue])
    return _operation("POST", endpoint, "/read", answer, body, only_reads=True, behind=behind)


def write_composite(endpoint: str, values: Mapping[str, Plain], *, behind: str = "") -> Call[None]:
    """LwM2M Write-Composite."""
    body = schemas.ValuesToWrite(values=dict(values))
    return _operation("POST", endpoint, "/write", NOTHING, body, behind=behind)


def observe(endpoint: str, *paths: str, behind: str = "") -> Call[list[schemas.ResourceValue]]:
    """LwM2M Observe of a path, or of several at once: the present values, then news until the device leaves."""
    answer = TypeAdapter(list[schemas.ResourceValue])
    if len(paths) == 1:
        return _operation("GET", endpoint, f"{paths[0].rstrip('/')}/events", answer, behind=behind)
    query = tuple(("path", path) for path in paths)
    return _operation("GET", endpoint, "/events", answer, query=query, behind=behind)


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
    """Have an operation (`read`, `write`, `execute`, …) done as soon as the device is awake."""
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


def requests(endpoint: str) -> Call[schemas.Page[schemas.DeviceRequest]]:
    """The queued operations of a device, oldest first."""
    answer = TypeAdapter(schemas.Page[schemas.DeviceRequest])
    return Call("GET", _device(endpoint, "/requests"), answer, query=query_of(limit=LARGEST_PAGE))


def request(number: int) -> Call[schemas.DeviceRequest]:
    """One queued operation with its state and outcome."""
    return Call("GET", f"/requests/{number}", TypeAdapter(schemas.DeviceRequest))


def cancel_request(number: int) -> Call[None]:
    """Take a waiting operation back."""
    return Call("DELETE", f"/requests/{number}", NOTHING)


def results(endpoint: str, since: int = 0, *, after: int = 0, newest: int | None = None) -> Call[list[schemas.Result]]:
    """The inference results of a device, oldest first: with numbers above `since`, and that came after the id `after`.

    Numbers begin anew with each module, ids never do: who follows results remembers the id. With `newest` at most so
    many of the newest.
    """
    answer = TypeAdapter(list[schemas.Result])
    query = (("since", str(since)), *query_of(after=after or None, newest=newest))
    return Call("GET", _device(endpoint, "/results"), answer, query=query)
