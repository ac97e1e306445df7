"""The OpenAPI description, completed by what all routes have in common: problems, and the headers of the frame."""

from typing import Any

from fastapi import FastAPI

from lwm2m_ml.api.middleware.idempotency import HEADER, LONGEST_KEY
from lwm2m_ml.api.problems import MEDIA_TYPE
from lwm2m_ml.client.schemas import Problem

PROBLEMS = {
    "4XX": "The request cannot be carried out; the problem says why, and often what to do",
    "5XX": "A device, or the server, could not do what was asked",
}
GENERATED = ("HTTPValidationError", "ValidationError")
"""What FastAPI describes as the answer to an invalid request; here it is a problem like all others."""


def describe(api: FastAPI) -> None:
    """Have the description completed when it is first asked for."""
    plain = api.openapi

    def complete() -> dict[str, Any]:
        described = api.openapi_schema is not None
        document = plain()
        if not described:
            _complete(document)
        return document

    api.openapi = complete  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in GENERATED:
        schemas.pop(name, None)
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema
    for item in document["paths"].values():
        for method, operation in item.items():
            _complete_operation(method, operation)


def _complete_operation(method: str, operation: dict[str, Any]) -> None:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"].pop("422", None)
    for statuses, description in PROBLEMS.items():
        operation["responses"][statuses] = {"description": description, "content": content}
    if method == "post":
        operation.setdefault("parameters", []).append(_idempotency_key())


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": "Makes a repeated request harmless: within a day it gets the answer of the first one",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
    }
