"""Credentials and bootstrap through the API: administrators only, secrets once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lwm2m_ml.app import Running
from lwm2m_ml.client import credential_calls as calls
from lwm2m_ml.client.call import Call
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas.credentials import BootstrapConfiguration, CredentialRequest
from lwm2m_ml.service.access import Scope


async def test_a_secret_is_shown_once(client: AsyncClient) -> None:
    issued = await client.add_credential(CredentialRequest(endpoint="dev"))
    assert len(bytes.fromhex(issued.secret["key"])) == 16
    assert issued.secret["key"] not in repr(issued)
    (listed,) = await client.credentials()
    assert listed == issued.credential
    assert issued.secret["key"] not in listed.model_dump_json()


async def test_lists_are_by_endpoint_when_asked(client: AsyncClient) -> None:
    for endpoint in ("a", "b"):
        await client.add_credential(CredentialRequest(endpoint=endpoint))
    assert [one.endpoint for one in await client.credentials("b")] == ["b"]
    assert await client.credentials("nobody") == []


@pytest.mark.parametrize("kind", ["psk", "x509", "oscore"])
async def test_every_kind_is_made_rotated_and_revoked(client: AsyncClient, kind: Any) -> None:
    first = await client.add_credential(CredentialRequest(endpoint="dev", kind=kind))
    second = await client.rotate_credential(first.credential.id, 60.0)
    states = {one.id: one for one in await client.credentials()}
    assert states[first.credential.id].expires_at is not None
    await client.revoke_credential(second.credential.id)
    await client.revoke_credential(first.credential.id, forget=True)
    (left,) = await client.credentials()
    assert (left.id, left.revoked_at is not None) == (second.credential.id, True)


async def test_an_import_is_whole_or_nothing(client: AsyncClient) -> None:
    good = CredentialRequest(endpoint="a", identity="x", key="00" * 16)
    with pytest.raises(ApiError) as caught:
        await client.import_credentials([good, good])
    assert caught.value.status == 409
    assert await client.credentials() == []
    issued = await client.import_credentials([good, CredentialRequest(endpoint="b")])
    assert [one.secret["key"] == "00" * 16 for one in issued] == [True, False]


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        ({"endpoint": "dev", "kind": "psk", "key": "secret00"}, 422),
        ({"endpoint": "dev", "kind": "psk", "usage": 3}, 422),
        ({"endpoint": "dev", "kind": "x509", "certificate": "secret00"}, 422),
    ],
)
async def test_a_refusal_does_not_repeat_what_was_given(
    client: AsyncClient, request_body: dict[str, Any], status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        await client.add_credential(CredentialRequest(**request_body))
    assert caught.value.status == status
    assert "secret00" not in str(caught.value)


async def test_an_unknown_credential_is_404(client: AsyncClient) -> None:
    unknown: list[Call[Any]] = [calls.revoke_credential("nothing"), calls.rotate_credential("nothing", 0)]
    for call in unknown:
        with pytest.raises(ApiError) as caught:
            await client.send(call)
        assert caught.value.status == 404


async def test_operators_may_not_see_credentials(where: Running, issue: Callable[[Scope], Awaitable[str]]) -> None:
    async with AsyncClient(where.api, await issue(Scope.OPERATOR)) as operator:
        forbidden: list[Call[Any]] = [calls.credentials(), calls.bootstrap_configurations()]
        for call in forbidden:
            with pytest.raises(ApiError) as caught:
                await operator.send(call)
            assert caught.value.status == 403
        assert "BEGIN CERTIFICATE" in (await operator.server_certificate()).pem


async def test_bootstrap_configurations_come_back_without_keys(client: AsyncClient) -> None:
    configuration = BootstrapConfiguration(
        records=[{"n": "/0/1/0", "vs": "coaps://server"}, {"n": "/0/1/5", "vd": "c2VjcmV0"}, {"n": "/1/0/1", "v": 60}],
        issue=True,
    )
    await client.configure_bootstrap("sensor-*", configuration)
    (entry,) = await client.bootstrap_configurations()
    assert (entry.pattern, entry.configuration.issue, entry.configuration.delete) == ("sensor-*", True, ["/"])
    assert "c2VjcmV0" not in entry.model_dump_json()
    assert "coaps://server" in entry.model_dump_json()
    await client.remove_bootstrap("sensor-*")
    assert await client.bootstrap_configurations() == []
    with pytest.raises(ApiError) as caught:
        await client.remove_bootstrap("sensor-*")
    assert caught.value.status == 404


@pytest.mark.parametrize("records", [[{"n": "/0/1"}], [{"v": "x"}], [{"n": "/0/1/0"}]])
async def test_an_impossible_bootstrap_configuration_is_refused(
    client: AsyncClient, records: list[dict[str, Any]]
) -> None:
    with pytest.raises(ApiError) as caught:
        await client.configure_bootstrap("dev", BootstrapConfiguration(records=records))
    assert caught.value.status in {400, 422}
