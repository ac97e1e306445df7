"""The API's calls about credentials and bootstrap."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import credentials as schemas


def credentials(endpoint: str | None = None) -> Call[Page[schemas.Credential]]:
    """The credentials of an endpoint, or all."""
    query = query_of(endpoint=endpoint, limit=LARGEST_PAGE)
    return Call("GET", "/credentials", TypeAdapter(Page[schemas.Credential]), query=query)


def add_credential(request: schemas.CredentialRequest) -> Call[schemas.IssuedCredential]:
    """Make a credential."""
    body = request.model_dump(exclude_none=True)
    return Call("POST", "/credentials", TypeAdapter(schemas.IssuedCredential), json=body)


def import_credentials(requests: Sequence[schemas.CredentialRequest]) -> Call[list[schemas.IssuedCredential]]:
    """Make many credentials, all or none."""
    body = schemas.CredentialsToImport(credentials=list(requests)).model_dump(exclude_none=True)
    answer = TypeAdapter(list[schemas.IssuedCredential])
    return Call("POST", "/credentials/import", answer, json=body, timeout=300.0)


def rotate_credential(credential_id: str, grace: float) -> Call[schemas.IssuedCredential]:
    """Make a credential in place of another."""
    body = schemas.Rotation(grace=grace).model_dump()
    path = f"/credentials/{segment(credential_id)}/rotate"
    return Call("POST", path, TypeAdapter(schemas.IssuedCredential), json=body)


def revoke_credential(credential_id: str, *, forget: bool = False) -> Call[None]:
    """Let nobody in with a credential any more."""
    query = (("forget", "true"),) if forget else ()
    return Call("DELETE", f"/credentials/{segment(credential_id)}", NOTHING, query=query)


def server_certificate() -> Call[schemas.ServerCertificate]:
    """The certificate that devices are shown."""
    return Call("GET", "/server-certificate", TypeAdapter(schemas.ServerCertificate))


def bootstrap_configurations() -> Call[Page[schemas.BootstrapEntry]]:
    """What the bootstrap server gives to whom."""
    return Call("GET", "/bootstrap", TypeAdapter(Page[schemas.BootstrapEntry]), query=query_of(limit=LARGEST_PAGE))


def configure_bootstrap(pattern: str, configuration: schemas.BootstrapConfiguration) -> Call[None]:
    """Give this to an endpoint, or to all that match a pattern."""
    return Call("PUT", f"/bootstrap/{segment(pattern)}", NOTHING, json=configuration.model_dump())


def remove_bootstrap(pattern: str) -> Call[None]:
    """Give nothing to a name or pattern any more."""
    return Call("DELETE", f"/bootstrap/{segment(pattern)}", NOTHING)
