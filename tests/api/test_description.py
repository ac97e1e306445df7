"""The API keeps what its description promises: requests made from it get no 5xx, and answers of the described form."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lwm2m_ml.app import Running
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.server import Server

NAME = "sensor"
EXAMPLES = 10
ENDLESS = {"/api/v1/events"}
GATEWAY_ERRORS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
"""What a device that refuses an operation, or does not answer, comes to; the server itself never fails."""
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest_asyncio.fixture
async def device(where: Running) -> AsyncIterator[Lwm2mClient]:
    async with Lwm2mClient(NAME, where.uris["coap"], [Server(lifetime=300)], lifetime=300) as device:
        async with asyncio.timeout(10):
            await device.registered.wait()
        yield device


async def test_the_description_is_openapi_3_1_and_says_all_there_is_to_say(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    operations = [one for item in document["paths"].values() for one in item.values()]
    assert all(operation.get("description") or operation.get("summary") for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all({"4XX", "5XX"} <= operation["responses"].keys() for operation in operations)
    creating = [item["post"] for item in document["paths"].values() if "post" in item]
    assert all(any(one["name"] == "Idempotency-Key" for one in operation["parameters"]) for operation in creating)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the server, in this process, may
@pytest.mark.timeout(400)  # every route, many times: far longer beside other work
async def test_requests_made_from_the_description_are_answered_as_described(
    where: Running, device: Lwm2mClient
) -> None:
    headers = {"Authorization": f"Bearer {where.first_token}"}
    schema = await asyncio.to_thread(schemathesis.openapi.from_url, f"{where.api}/openapi.json")
    tried = await asyncio.to_thread(_try_everything, schema, headers)
    assert tried > 300


def _try_everything(schema: Any, headers: dict[str, str]) -> int:
    counter = itertools.count()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path not in ENDLESS:
            _try(operation, headers, counter)
    return next(counter)


def _cases(operation: Any) -> Any:
    """Requests as described, and such that are not."""
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    given = (operation.path_parameters, operation.query, operation.headers, operation.body)
    if not any(list(one) for one in given):
        return good
    return good | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def _try(operation: Any, headers: dict[str, str], counter: "itertools.count[int]") -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=_cases(operation))
    def attempt(case: Any) -> None:
        number = next(counter)
        if "endpoint" in case.path_parameters and number % 2:
            case.path_parameters["endpoint"] = NAME
        if "/events" in operation.path and number % 2:
            return  # an observation that works is endless
        response = case.call(headers=headers, timeout=60)
        checks = list(CHECKS)
        if not (response.status_code in GATEWAY_ERRORS and "/lwm2m" in operation.path):
            checks.append(not_a_server_error)
        case.validate_response(response, checks=checks)

    attempt()
