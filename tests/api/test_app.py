"""The API over real HTTP: every route has a decision on who may call it, and every error is a problem document."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.service.access import Scope

OPEN_ROUTES = {("get", "/api/v1/health"), ("get", "/api/v1/ready")}
METHODS = {"get", "put", "post", "delete", "patch"}


async def test_health_needs_no_token_and_tells_where_devices_register(http: httpx.AsyncClient, where: Running) -> None:
    answer = (await http.get("/api/v1/health")).json()
    assert answer["status"] == "ok"
    assert answer["coap"] == where.uris["coap"]


async def test_every_other_route_refuses_a_request_without_a_token(http: httpx.AsyncClient) -> None:
    description = (await http.get("/openapi.json")).json()
    routes = {(method, path) for path, item in description["paths"].items() for method in item if method in METHODS}
    assert len(routes) > len(OPEN_ROUTES)
    for method, path in sorted(routes - OPEN_ROUTES):
        answer = await http.request(method, path.replace("{", "").replace("}", ""))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unknown_token_is_refused(where: Running) -> None:
    async with AsyncClient(where.api, "guess") as stranger:
        with pytest.raises(ApiError, match="unknown, was revoked") as caught:
            await stranger.devices()
    assert caught.value.status == 401


async def test_a_viewer_may_look_but_not_act(where: Running, issue: Callable[[Scope], Awaitable[str]]) -> None:
    async with AsyncClient(where.api, await issue(Scope.VIEWER)) as viewer:
        assert await viewer.devices() == []
        with pytest.raises(ApiError, match="needs the scope operator") as caught:
            await viewer.deploy("digits")
    assert caught.value.status == 403


async def test_an_operator_may_act(where: Running, issue: Callable[[Scope], Awaitable[str]]) -> None:
    async with AsyncClient(where.api, await issue(Scope.OPERATOR)) as operator:
        with pytest.raises(ApiError, match="No device is registered") as caught:
            await operator.deploy("digits")
    assert caught.value.status == 409


async def test_the_shipped_model_is_in_the_zoo(client: AsyncClient) -> None:
    (model,) = [model for model in await client.models() if model.name == "digits"]
    assert [variant.name for variant in model.variants] == ["digits-small", "digits-medium", "digits-large"]


async def test_the_trust_anchor_is_a_public_key(client: AsyncClient) -> None:
    assert (await client.trust_anchor()).pem.startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.device("nobody"),
        lambda client: client.read("nobody", "/3/0"),
        lambda client: client.execute("nobody", "/3/0/4"),
        lambda client: client.deploy("digits", ["nobody"]),
        lambda client: client.deploy("no-such-model"),
        lambda client: client.deployment("none"),
        lambda client: client.module("0" * 64),
        lambda client: client.reference("digits", "digits-huge", [[0.0] * 64]),
    ],
)
async def test_what_does_not_exist_is_404(
    client: AsyncClient, call: Callable[[AsyncClient], Awaitable[object]]
) -> None:
    with pytest.raises(ApiError) as caught:
        await call(client)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/modules/not-a-digest", None),
        ("POST", "/deployments", {"endpoints": "all"}),
        ("POST", "/deployments", {"model": "digits", "endpoints": 7}),
        ("POST", "/models/digits/variants/digits-small/reference", {"inputs": [["a"]]}),
        ("GET", "/devices/x/results?since=-1", None),
    ],
)
async def test_malformed_requests_are_422_and_say_where(
    http: httpx.AsyncClient, where: Running, method: str, path: str, body: object
) -> None:
    headers = {"Authorization": f"Bearer {where.first_token}"}
    answer = await http.request(method, f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("inputs", [[[0.0] * 63], [[float(2**40)] * 65], []])
async def test_reference_inputs_of_a_wrong_shape_are_refused(client: AsyncClient, inputs: list[list[float]]) -> None:
    with pytest.raises(ApiError) as caught:
        await client.reference("digits", "digits-small", inputs)
    assert 400 <= caught.value.status < 500
