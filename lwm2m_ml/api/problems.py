"""Errors as RFC 9457 problem details: one table from the project's errors to HTTP statuses."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lwm2m_ml.client.schemas import InvalidField, Problem
from lwm2m_ml.errors import (
    ConflictError,
    InvalidInputError,
    Lwm2mMlError,
    MissingExtraError,
    MissingToolError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from lwm2m_ml.server.errors import DeviceError, DeviceTimeout

MEDIA_TYPE = "application/problem+json"
MOST_FIELDS = 20
"""Invalid fields that a problem lists at most."""

STATUS_OF_ERROR: tuple[tuple[type[Lwm2mMlError], HTTPStatus], ...] = (
    (DeviceTimeout, HTTPStatus.GATEWAY_TIMEOUT),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (MissingExtraError, HTTPStatus.NOT_IMPLEMENTED),
    (MissingToolError, HTTPStatus.NOT_IMPLEMENTED),
    (Lwm2mMlError, HTTPStatus.BAD_GATEWAY),
)


def problem(
    status: int, detail: str, hint: str = "", device_code: str = "", fields: Sequence[InvalidField] = ()
) -> JSONResponse:
    """A problem details response; `detail` and `hint` are sentences without a full stop."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=f"{detail}.",
        hint=f"{hint}." if hint else "",
        device_code=device_code,
        errors=list(fields),
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def problem_of(error: Lwm2mMlError) -> JSONResponse:
    """The problem that one of the project's errors is."""
    status = next(status for kind, status in STATUS_OF_ERROR if isinstance(error, kind))
    device_code = f"{error.code >> 5}.{error.code & 0x1F:02d}" if isinstance(error, DeviceError) else ""
    return problem(status, error.message, error.hint, device_code)


def add_problem_handlers(app: FastAPI) -> None:
    """Turn every error that a route foresees into a problem."""

    @app.exception_handler(Lwm2mMlError)
    async def known(_: Request, error: Lwm2mMlError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            InvalidField(field=".".join(str(part) for part in one["loc"]), detail=str(one["msg"]))
            for one in error.errors()[:MOST_FIELDS]
        ]
        detail = f"{fields[0].field}: {fields[0].detail}"
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, fields=fields)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        response = problem(error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response
