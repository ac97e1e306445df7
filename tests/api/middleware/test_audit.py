"""The audit log tells who did what to which device, allowed or refused."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.service.access import Scope

Acts = list[dict[str, object]]


@pytest.fixture
def admin(http: httpx.AsyncClient, where: Running) -> httpx.AsyncClient:
    http.headers["Authorization"] = f"Bearer {where.first_token}"
    return http


async def acts(http: httpx.AsyncClient, **query: str) -> Acts:
    answer = await http.get("/api/v1/audit", params=query)
    found: Acts = answer.json()["items"]
    return found


async def test_an_act_on_a_device_is_written_down(admin: httpx.AsyncClient) -> None:
    await admin.put("/api/v1/devices/node%252F1/lwm2m/3/0/15", json={"value": 1}, headers={"X-Request-ID": "mine-1"})
    (act,) = await acts(admin)
    assert act["caller"].startswith("first admin (")  # type: ignore[attr-defined]
    assert act["scope"] == "admin"
    assert act["address"] == "127.0.0.1"
    assert act["action"] == "PUT /devices/{endpoint}/lwm2m/{path}"
    assert act["endpoint"] == "node/1"
    assert act["status"] == 404
    assert act["request_id"] == "mine-1"


async def test_reading_from_a_device_is_an_act_but_looking_at_lists_is_not(admin: httpx.AsyncClient) -> None:
    await admin.get("/api/v1/devices")
    await admin.get("/api/v1/devices/node")
    await admin.get("/api/v1/devices/node/lwm2m/3/0")
    assert [act["action"] for act in await acts(admin)] == ["GET /devices/{endpoint}/lwm2m/{path}"]


async def test_a_refused_act_is_written_down_but_not_one_of_a_stranger(
    admin: httpx.AsyncClient, issue: Callable[[Scope], Awaitable[str]]
) -> None:
    viewer = {"Authorization": f"Bearer {await issue(Scope.VIEWER)}"}
    await admin.delete("/api/v1/credentials/x", headers=viewer)
    await admin.delete("/api/v1/credentials/x", headers={"Authorization": "Bearer guess"})
    (act,) = await acts(admin)
    assert (act["status"], act["scope"]) == (403, "viewer")


async def test_acts_are_found_by_device_and_by_page(admin: httpx.AsyncClient) -> None:
    for number in range(5):
        await admin.delete(f"/api/v1/devices/node-{number % 2}/lwm2m/3/{number}")
    assert len(await acts(admin, endpoint="node-0")) == 3
    seen, cursor = [], ""
    for _ in range(10):
        page = (await admin.get("/api/v1/audit", params={"limit": 2, "cursor": cursor})).json()
        seen += [act["target"][-1] for act in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIl0", "%00", "W1tbW1tbW1tbW1tb"])
async def test_a_cursor_of_another_list_is_refused(admin: httpx.AsyncClient, cursor: str) -> None:
    answer = await admin.get("/api/v1/audit", params={"cursor": cursor})
    assert answer.status_code == (200 if cursor == "WzFd" else 400)


async def test_a_request_id_that_could_forge_log_lines_is_replaced(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/api/v1/health", headers={"X-Request-ID": "a b"})
    assert answer.headers["X-Request-ID"] != "a b"
