"""From a call to an HTTP request, and from its response to a typed answer or an error."""

import dataclasses
import ssl
from typing import Any, TypeVar, cast

import httpx
from pydantic import ValidationError

from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.client.call import CONTENT, Call
from lwm2m_ml.client.errors import ApiError, ServerUnreachableError
from lwm2m_ml.client.schemas import Page, Problem
from lwm2m_ml.errors import UsageError

Answer = TypeVar("Answer")
Item = TypeVar("Item")


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


def options(ca_file: str) -> dict[str, Any]:
    """The options of an HTTP client. Raises UsageError when the file of authorities cannot be used."""
    if not ca_file:
        return {}
    try:
        return {"verify": ssl.create_default_context(cafile=ca_file)}
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{ca_file} holds no certificates ({error})") from error


def next_page(call: Call[Page[Item]], page: Page[Item]) -> Call[Page[Item]] | None:
    """The call for the page after one; None when it was the last."""
    if page.next is None:
        return None
    return dataclasses.replace(call, query=(*call.query, ("cursor", page.next)))


def answer_of(call: Call[Answer], response: httpx.Response) -> Answer:
    """The typed answer. Raises ApiError for every status but success, and for an answer of another shape."""
    if not response.is_success:
        raise _error_of(response)
    if call.answer is CONTENT:
        return cast("Answer", response.content)
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
