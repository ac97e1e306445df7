"""From a call to an HTTP request, and from its response to a typed answer or an error."""

from typing import TypeVar

import httpx
from pydantic import ValidationError

from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.client.calls import Call
from lwm2m_ml.client.errors import ApiError, ServerUnreachableError
from lwm2m_ml.client.schemas import Problem

Answer = TypeVar("Answer")


def base_url(server: str) -> httpx.URL:
    """The root of the API at a server's address. Raises ServerUnreachableError when it is no HTTP address."""
    try:
        url = httpx.URL(server.rstrip("/") + API_ROOT)
    except httpx.InvalidURL as error:
        raise ServerUnreachableError(server, str(error)) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ServerUnreachableError(server, "not an http:// or https:// address")
    return url


def headers(token: str) -> dict[str, str]:
    """The headers every request carries."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def answer_of(call: Call[Answer], response: httpx.Response) -> Answer:
    """The typed answer. Raises ApiError for every status but success, and for an answer of another shape."""
    if not response.is_success:
        raise _error_of(response)
    try:
        if not response.content:
            return call.answer.validate_python(None)
        return call.answer.validate_json(response.content)
    except ValidationError as error:
        message = f"The server's answer to {call.method} {call.path} is not what this client understands"
        raise ApiError(message, status=response.status_code, hint="Use a client of the server's version") from error


def _error_of(response: httpx.Response) -> ApiError:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return ApiError(f"The server answered HTTP {response.status_code}", status=response.status_code)
    return ApiError(problem.detail.rstrip("."), status=problem.status, hint=problem.hint.rstrip("."))
