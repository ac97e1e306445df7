"""`/tokens`: who may call this API. Administrators only; a token is in one answer, never again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import ADMIN, VIEWER, CurrentCaller
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.routes.credentials import NO_STORE
from lwm2m_ml.client import schemas
from lwm2m_ml.service.access import AccessTokens, Scope

router = APIRouter(tags=["tokens"])


def _tokens(request: Request) -> AccessTokens:
    tokens: AccessTokens = request.app.state.access_tokens
    return tokens


@router.get("/tokens", dependencies=[ADMIN])
async def list_tokens(
    request: Request, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.Token]:
    """The tokens, without what is secret of them."""
    found = await _tokens(request).all()
    return page_of_all(found, limit, cursor, lambda one: one.id, lambda one: views.as_schema(schemas.Token, one))


@router.post("/tokens", dependencies=[ADMIN], status_code=HTTPStatus.CREATED)
async def issue_token(request: Request, body: schemas.TokenRequest, response: Response) -> schemas.IssuedToken:
    """Make a token; this answer alone has it."""
    response.headers.update(NO_STORE)
    tokens = _tokens(request)
    secret = await tokens.issue(Scope(body.scope), body.label, lifetime=body.expires_in)
    return schemas.IssuedToken(token=views.as_schema(schemas.Token, await tokens.find(secret)), secret=secret)


@router.delete("/tokens/{token_id}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def revoke_token(request: Request, token_id: Annotated[str, Path(max_length=64)]) -> None:
    """Let nobody in with a token any more; the last token of an administrator cannot be revoked."""
    await _tokens(request).revoke(token_id)


@router.get("/caller", dependencies=[VIEWER])
async def show_caller(caller: CurrentCaller) -> schemas.CallerFacts:
    """Who the server takes the caller for."""
    return views.as_schema(schemas.CallerFacts, caller)
