"""Requests that wait for their device."""

from dataclasses import replace

from lwm2m_ml.store import Store
from lwm2m_ml.store.device_requests import DeviceRequestRecord

REQUEST = DeviceRequestRecord("ep", {"operation": "read", "path": "/3"}, "waiting", created_at=1.0, expires_at=9.0)


async def test_requests_keep_their_order_and_end_with_an_outcome(store: Store) -> None:
    first = await store.device_requests.add(REQUEST)
    second = await store.device_requests.add(replace(REQUEST, endpoint="other"))
    assert first < second
    await store.device_requests.set_state(first, "done", outcome={"records": []}, ended_at=2.0)
    assert await store.device_requests.get(first) == replace(
        REQUEST, id=first, state="done", outcome={"records": []}, ended_at=2.0
    )
    assert [record.id for record in await store.device_requests.unfinished()] == [second]
    assert [record.id for record in await store.device_requests.of_endpoint("ep")] == [first]
    await store.device_requests.delete_ended(3.0)
    assert await store.device_requests.get(first) is None
    assert await store.device_requests.get(second) is not None
