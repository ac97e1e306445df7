"""Who may call what: every route has exactly one decision, and it is kept."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from lwm2m_ml.api.app import OTHER_ROUTERS, ROUTERS
from lwm2m_ml.api.authentication import let_anyone, require_scope
from lwm2m_ml.app import Running
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.service.access import Scope

SAMPLES = {"number": "1", "digest": "0" * 64, "object_id": "3", "path": "3/0/0"}


@dataclass(frozen=True)
class ApiRoute:
    """One method of one route; `scopes` holds one decision per one that was made: None lets everybody in."""

    method: str
    template: str
    scopes: tuple[Scope | None, ...]

    @property
    def path(self) -> str:
        return re.sub(r"{(\w+)(:\w+)?}", lambda name: SAMPLES.get(name[1], "x"), self.template)

    @property
    def scope(self) -> Scope | None:
        (scope,) = self.scopes
        return scope

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def api_routes() -> Iterator[ApiRoute]:
    for prefix, router in (*((API_ROOT, one) for one in ROUTERS), *(("", one) for one in OTHER_ROUTERS)):
        for route in router.routes:
            assert isinstance(route, APIRoute), f"{route} is no route that a decision can be seen on"
            for method in sorted(route.methods or ()):
                yield ApiRoute(method, prefix + route.path, tuple(_decisions(route.dependant)))


def _decisions(dependant: Dependant) -> Iterator[Scope | None]:
    for one in dependant.dependencies:
        if one.call is require_scope:
            yield from map(Scope, one.own_oauth_scopes or ())
        elif one.call is let_anyone:
            yield None


ROUTES = tuple(api_routes())
OPEN = {"GET /api/v1/health", "GET /api/v1/ready", "GET /packages/{token}", "HEAD /packages/{token}"}
DESCRIPTION = {"/openapi.json"}

Issue = Callable[[Scope], Awaitable[str]]


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_has_one_decision_on_who_may_call_it(route: ApiRoute) -> None:
    assert len(route.scopes) == 1


def test_only_what_tells_nothing_is_open_to_strangers() -> None:
    assert {str(route) for route in ROUTES if route.scope is None} <= OPEN


def test_there_is_no_route_beside_those_that_were_decided_on(api: FastAPI) -> None:
    included = {id(getattr(route, "original_router", None)) for route in api.routes}
    assert {id(router) for router in (*ROUTERS, *OTHER_ROUTERS)} == included - {id(None)}
    assert {route.path for route in api.routes if hasattr(route, "path")} <= DESCRIPTION


async def test_a_scope_that_is_too_small_gets_403_and_a_stranger_401_everywhere(
    http: httpx.AsyncClient, issue: Issue
) -> None:
    tokens = {scope: await issue(scope) for scope in Scope}
    checked = 0
    for route in ROUTES:
        if route.scope is None:
            continue
        assert await status(http, route, "") == 401, str(route)
        assert await status(http, route, "guess") == 401, str(route)
        for scope, token in tokens.items():
            if not scope.includes(route.scope):
                assert await status(http, route, token) == 403, f"{route} with {scope}"
                checked += 1
    assert checked > len(ROUTES) / 2


async def test_the_scope_that_a_route_names_is_enough(http: httpx.AsyncClient, issue: Issue) -> None:
    tokens = {scope: await issue(scope) for scope in Scope}
    for route in ROUTES:
        token = "" if route.scope is None else tokens[route.scope]
        assert await status(http, route, token) not in {401, 403}, str(route)


async def test_the_description_names_the_scope_of_every_route(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    described = {
        (method.upper(), scope)
        for item in paths.values()
        for method, operation in item.items()
        for requirement in operation.get("security", ())
        for scope in requirement["HTTPBearer"]
    }
    assert described == {(route.method, route.scope) for route in ROUTES if route.scope is not None}


async def test_an_admin_issues_a_token_that_holds_until_it_is_revoked(
    client: AsyncClient, where: Running, http: httpx.AsyncClient
) -> None:
    issued = (await post(http, where, "/tokens", {"label": "dashboard", "scope": "operator"})).json()
    async with AsyncClient(where.api, issued["secret"]) as operator:
        assert await operator.devices() == []
        listed = (await get(http, where, "/tokens")).json()["items"]
        assert issued["token"] in listed
        assert issued["secret"] not in str(listed)
        gone = await http.delete(f"/api/v1/tokens/{issued['token']['id']}", headers=bearer(where.first_token))
        assert gone.status_code == 204
        with pytest.raises(ApiError) as caught:
            await operator.devices()
    assert caught.value.status == 401


async def test_a_token_ends_when_it_was_meant_to(http: httpx.AsyncClient, where: Running) -> None:
    issued = await post(http, where, "/tokens", {"label": "brief", "expires_in": 1e-6})
    answer = await http.get("/api/v1/devices", headers=bearer(issued.json()["secret"]))
    assert answer.status_code == 401


async def test_the_last_admin_token_cannot_be_revoked(http: httpx.AsyncClient, where: Running) -> None:
    (mine,) = (await get(http, where, "/tokens")).json()["items"]
    answer = await http.delete(f"/api/v1/tokens/{mine['id']}", headers=bearer(where.first_token))
    assert answer.status_code == 409
    assert (await get(http, where, "/caller")).json()["scope"] == "admin"


async def status(http: httpx.AsyncClient, route: ApiRoute, token: str) -> int:
    async with http.stream(route.method, route.path, headers=bearer(token) if token else {}) as answer:
        return answer.status_code


async def get(http: httpx.AsyncClient, where: Running, path: str) -> httpx.Response:
    return await http.get(f"/api/v1{path}", headers=bearer(where.first_token))


async def post(http: httpx.AsyncClient, where: Running, path: str, body: object) -> httpx.Response:
    return await http.post(f"/api/v1{path}", json=body, headers=bearer(where.first_token))


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
