"""`/credentials`: what devices prove themselves with. Administrators only; a secret is in one answer, never again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from lwm2m_ml.api import credential_views as views
from lwm2m_ml.api.authentication import ADMIN, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import credentials as schemas
from lwm2m_ml.server.credentials.credentials import Credentials
from lwm2m_ml.server.server import Lwm2mServer

router = APIRouter(tags=["credentials"])

NO_STORE = {"Cache-Control": "no-store"}

CredentialId = Annotated[str, Path(max_length=64)]


def lwm2m_server(request: Request) -> Lwm2mServer:
    """The LwM2M server behind this API."""
    server: Lwm2mServer = request.app.state.lwm2m_server
    return server


def credential_store(server: Annotated[Lwm2mServer, Depends(lwm2m_server)]) -> Credentials:
    """The credentials of the running server."""
    return server.credentials


Server = Annotated[Lwm2mServer, Depends(lwm2m_server)]
Store = Annotated[Credentials, Depends(credential_store)]


@router.get("/credentials", dependencies=[ADMIN])
async def list_credentials(
    store: Store,
    endpoint: Annotated[str | None, Query(max_length=255)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Page[schemas.Credential]:
    """The credentials of an endpoint, or all, without secrets."""
    return page_of_all(store.list(endpoint), limit, cursor, lambda one: one.id, views.credential)


@router.post("/credentials", dependencies=[ADMIN], status_code=HTTPStatus.CREATED)
async def add(store: Store, body: schemas.CredentialRequest, response: Response) -> schemas.IssuedCredential:
    """Make a credential; this answer alone has its secret."""
    response.headers.update(NO_STORE)
    return views.issued((await store.add_all([views.wanted(body)]))[0])


@router.post("/credentials/import", dependencies=[ADMIN], status_code=HTTPStatus.CREATED)
async def import_credentials(
    store: Store, body: schemas.CredentialsToImport, response: Response
) -> list[schemas.IssuedCredential]:
    """Make many credentials: all of them, or none."""
    response.headers.update(NO_STORE)
    return [views.issued(one) for one in await store.add_all([views.wanted(one) for one in body.credentials])]


@router.post("/credentials/{credential_id}/rotate", dependencies=[ADMIN], status_code=HTTPStatus.CREATED)
async def rotate(
    store: Store, credential_id: CredentialId, body: schemas.Rotation, response: Response
) -> schemas.IssuedCredential:
    """Make a credential in place of another, which ends when the new one is first used, or after the grace period."""
    response.headers.update(NO_STORE)
    return views.issued(await store.rotate(credential_id, grace=body.grace))


@router.delete("/credentials/{credential_id}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def revoke(store: Store, credential_id: CredentialId, forget: Annotated[bool, Query()] = False) -> None:
    """Let nobody in with a credential any more; its session and registration end.

    With `forget` nothing of it is kept: when it was the endpoint's last one, the endpoint may come in plain again.
    """
    await (store.forget(credential_id) if forget else store.revoke(credential_id))


@router.get("/server-certificate", dependencies=[VIEWER])
async def server_certificate(server: Server) -> schemas.ServerCertificate:
    """The certificate that devices are shown, for them to know the server by."""
    return schemas.ServerCertificate(pem=server.certificate)
