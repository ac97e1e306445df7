"""Who may call what: bearer tokens with scopes, checked on every route."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from lwm2m_ml.service.access import AccessTokens, Scope

bearer = HTTPBearer(auto_error=False, description="API token, printed at the first start of the server")


def access_tokens(request: Request) -> AccessTokens:
    """The tokens of the running server."""
    tokens: AccessTokens = request.app.state.access_tokens
    return tokens


def requires(scope: Scope) -> Callable[..., Awaitable[Scope]]:
    """A dependency that lets a request pass when its token holds `scope` or a greater one; else 401 or 403."""

    async def check(
        tokens: Annotated[AccessTokens, Depends(access_tokens)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Scope:
        if credentials is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "This request needs an API token")
        granted = await tokens.scope_of(credentials.credentials)
        if granted is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "The API token is unknown or was revoked")
        if not granted.includes(scope):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This request needs the scope {scope}, the token has {granted}")
        return granted

    return check


VIEWER = Depends(requires(Scope.VIEWER))
OPERATOR = Depends(requires(Scope.OPERATOR))
ADMIN = Depends(requires(Scope.ADMIN))
