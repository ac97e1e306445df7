"""Who may call what: every route is given one of these decisions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.exceptions import HTTPException

from lwm2m_ml.service.access import Caller, Scope

bearer = HTTPBearer(
    auto_error=False, description="An API token of this server, or one of the OIDC provider it was told of"
)


async def require_scope(
    request: Request, wanted: SecurityScopes, _token: Annotated[object, Depends(bearer)] = None
) -> Caller:
    """Let a request pass when its caller holds the wanted scope or a greater one; else 401 or 403."""
    caller: Caller | None = request.state.caller
    if caller is None and "Authorization" not in request.headers:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "This request needs an API token")
    if caller is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "The API token is unknown, was revoked or has expired")
    needed = Scope(wanted.scopes[0])
    if not caller.scope.includes(needed):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, f"This request needs the scope {needed}, the token has {caller.scope}"
        )
    return caller


async def let_anyone() -> None:
    """Let everybody pass: for what tells nothing that a stranger could use."""


def calling(request: Request) -> Caller:
    """The caller of a request that was let pass."""
    caller: Caller = request.state.caller
    return caller


ANYONE = Depends(let_anyone)
VIEWER = Security(require_scope, scopes=[Scope.VIEWER.value])
OPERATOR = Security(require_scope, scopes=[Scope.OPERATOR.value])
ADMIN = Security(require_scope, scopes=[Scope.ADMIN.value])

CurrentCaller = Annotated[Caller, Depends(calling)]
