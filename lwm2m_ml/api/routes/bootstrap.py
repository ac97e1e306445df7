"""`/bootstrap`: what the bootstrap server gives to whom. Administrators only; keys are taken, never shown."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import credential_views as views
from lwm2m_ml.api.authentication import ADMIN
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.routes.credentials import Server
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import credentials as schemas
from lwm2m_ml.errors import NotFoundError

router = APIRouter(prefix="/bootstrap", tags=["bootstrap"])

Pattern = Annotated[str, Path(min_length=1, max_length=255)]


@router.get("", dependencies=[ADMIN])
async def list_configurations(
    server: Server, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Page[schemas.BootstrapEntry]:
    """Every name or pattern with its configuration, without keys."""
    found = server.bootstrap.configurations()
    return page_of_all(found, limit, cursor, lambda one: one[0], lambda one: views.bootstrap_entry(*one))


@router.put("/{pattern}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def configure(server: Server, pattern: Pattern, body: schemas.BootstrapConfiguration) -> None:
    """Give this to an endpoint, or to all that match a pattern such as `sensor-*`."""
    await server.bootstrap.configure(pattern, views.to_configuration(body))


@router.delete("/{pattern}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def remove(server: Server, pattern: Pattern) -> None:
    """Give nothing to a name or pattern any more."""
    if pattern not in dict(server.bootstrap.configurations()):
        raise NotFoundError(f"There is no bootstrap configuration for {pattern}")
    await server.bootstrap.remove(pattern)
