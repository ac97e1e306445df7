"""How the server is, and what it can be trusted by."""

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


class Health(Schema):
    """Whether the server works (`ok`, or `degraded` by its problems), and where devices reach it."""

    status: str
    version: str
    coap: str
    problems: list[str] = Field(default_factory=list)


class Readiness(Schema):
    """That the server takes work; while it does not, the answer is a problem."""

    ready: bool


class TrustAnchor(Schema):
    """The public key that devices check modules with, and the one that signs lists of such keys, as PEM.

    The root may be kept elsewhere; then it is not told.
    """

    pem: str
    root_pem: str | None = None
