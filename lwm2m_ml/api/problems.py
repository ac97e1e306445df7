"""Errors as RFC 9457 problem details: one table from the project's errors to HTTP statuses."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lwm2m_ml.client.schemas import Problem
from lwm2m_ml.errors import (
    ConflictError,
    InvalidInputError,
    Lwm2mMlError,
    MissingExtraError,
    MissingToolError,
    NotFoundError,
    UsageError,
)
from lwm2m_ml.server.errors import DeviceError, DeviceTimeout

log = structlog.get_logger(__name__)

STATUS_OF_ERROR: tuple[tuple[type[Lwm2mMlError], HTTPStatus], ...] = (
    (DeviceTimeout, HTTPStatus.GATEWAY_TIMEOUT),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (MissingExtraError, HTTPStatus.NOT_IMPLEMENTED),
    (MissingToolError, HTTPStatus.NOT_IMPLEMENTED),
    (Lwm2mMlError, HTTPStatus.BAD_GATEWAY),
)


def problem(status: int, detail: str, hint: str = "", device_code: str = "") -> JSONResponse:
    """A problem details response."""
    title = HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail, hint=hint, device_code=device_code)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def add_problem_handlers(app: FastAPI) -> None:
    """Turn every error of a route into a problem; an unforeseen one is logged and tells nothing of the inside."""

    @app.exception_handler(Lwm2mMlError)
    async def known(_: Request, error: Lwm2mMlError) -> JSONResponse:
        status = next(status for kind, status in STATUS_OF_ERROR if isinstance(error, kind))
        device_code = f"{error.code >> 5}.{error.code & 0x1F:02d}" if isinstance(error, DeviceError) else ""
        return problem(status, f"{error.message}.", error.hint, device_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, f"{error.detail}.")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed unexpectedly", method=request.method, path=request.url.path, exc_info=error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed; its log says more.")
