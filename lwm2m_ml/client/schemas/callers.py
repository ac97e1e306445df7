"""API tokens, who holds them, and what was done with them."""

from typing import Literal

from pydantic import ConfigDict, Field

from lwm2m_ml.client.schemas.shape import Schema


class TokenRequest(Schema):
    """An API token to be made; it ends after `expires_in` seconds, if given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, max_length=128)
    scope: Literal["viewer", "operator", "admin"] = "viewer"
    expires_in: float | None = Field(default=None, gt=0, le=315_360_000)


class Token(Schema):
    """An API token without what is secret of it."""

    id: str
    label: str
    scope: str
    created_at: float
    expires_at: float | None


class IssuedToken(Schema):
    """A new API token, which is never shown again."""

    token: Token
    secret: str = Field(repr=False)


class CallerFacts(Schema):
    """Who the server takes a caller for."""

    name: str
    scope: str


class Act(Schema):
    """One entry of the audit log: `action` is method and route, `target` the path, `status` that of the answer."""

    id: int
    at: float
    caller: str
    scope: str
    address: str
    action: str
    endpoint: str | None
    target: str
    status: int
    request_id: str
