"""The API's calls about credentials and bootstrap."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from lwm2m_ml.client import credential_schemas as schemas
from lwm2m_ml.client.calls import Call, _segment

NOTHING: TypeAdapter[None] = TypeAdapter(type(None))


def credentials(endpoint: str | None = None) -> Call[list[schemas.Credential]]:
    """The credentials of an endpoint, or all."""
    query = () if endpoint is None else (("endpoint", endpoint),)
    return Call("GET", "/credentials", TypeAdapter(list[schemas.Credential]), query=query)


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
    path = f"/credentials/{_segment(credential_id)}/rotate"
    return Call("POST", path, TypeAdapter(schemas.IssuedCredential), json=body)


def revoke_credential(credential_id: str, *, forget: bool = False) -> Call[None]:
    """Let nobody in with a credential any more."""
    query = (("forget", "true"),) if forget else ()
    return Call("DELETE", f"/credentials/{_segment(credential_id)}", NOTHING, query=query)


def server_certificate() -> Call[schemas.ServerCertificate]:
    """The certificate that devices are shown."""
    return Call("GET", "/server-certificate", TypeAdapter(schemas.ServerCertificate))


def bootstrap_configurations() -> Call[list[schemas.BootstrapEntry]]:
    """What the bootstrap server gives to whom."""
    return Call("GET", "/bootstrap", TypeAdapter(list[schemas.BootstrapEntry]))


def configure_bootstrap(pattern: str, configuration: schemas.BootstrapConfiguration) -> Call[None]:
    """Give this to an endpoint, or to all that match a pattern."""
    return Call("PUT", f"/bootstrap/{_segment(pattern)}", NOTHING, json=configuration.model_dump())


def remove_bootstrap(pattern: str) -> Call[None]:
    """Give nothing to a name or pattern any more."""
    return Call("DELETE", f"/bootstrap/{_segment(pattern)}", NOTHING)
