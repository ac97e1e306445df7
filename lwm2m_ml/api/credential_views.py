"""Between the server's credentials and the API's schemas."""

import json

from lwm2m_ml.client.schemas import credentials as schemas
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration
from lwm2m_ml.server.bootstrap_nodes import BootstrapNodes
from lwm2m_ml.server.credentials.credential import Credential, CredentialKind, IssuedCredential
from lwm2m_ml.server.credentials.credentials import WantedCredential
from lwm2m_ml.server.senml_documents import from_senml, to_senml

ARGUMENTS = {
    CredentialKind.PSK: {"identity": "identity", "key": "key"},
    CredentialKind.RAW_PUBLIC_KEY: {"public_key": "public_key"},
    CredentialKind.CERTIFICATE: {"certificate": "pem", "usage": "usage", "authorities": "authorities"},
    CredentialKind.OSCORE: {
        "master_secret": "master_secret",
        "master_salt": "master_salt",
        "device_id": "device_id",
        "server_id": "server_id",
        "id_context": "id_context",
    },
}
"""What each kind may be given: the name in the API, and the name of the argument."""

SECRET_RESOURCES = frozenset({(0, 5), (0, 12), (21, 0)})
"""Object and resource of keys: never shown again."""


def wanted(request: schemas.CredentialRequest) -> WantedCredential:
    """What a request asks for; raises `InvalidInputError` when it gives something that its kind has no use for."""
    kind = CredentialKind(request.kind)
    arguments = ARGUMENTS[kind]
    given = request.model_dump(exclude={"endpoint", "kind"}, exclude_none=True)
    foreign = sorted(given.keys() - arguments.keys())
    if foreign:
        raise InvalidInputError(f"A credential of kind {kind} has no {', '.join(foreign)}")
    return WantedCredential(request.endpoint, kind, {arguments[name]: value for name, value in given.items()})


def credential(fact: Credential) -> schemas.Credential:
    """A credential without its secret."""
    return schemas.Credential(
        id=fact.id,
        endpoint=fact.endpoint,
        kind=str(fact.kind),
        identity=fact.identity,
        origin=fact.facts["origin"],
        usage=fact.facts.get("usage"),
        created_at=fact.created_at,
        expires_at=fact.expires_at,
        revoked_at=fact.revoked_at,
    )


def issued(fact: IssuedCredential) -> schemas.IssuedCredential:
    """A new credential with what its device needs."""
    return schemas.IssuedCredential(credential=credential(fact.credential), secret=dict(fact.secret))


def to_configuration(body: schemas.BootstrapConfiguration) -> BootstrapConfiguration:
    """What the bootstrap server is to give."""
    delete = tuple(ObjectPath.parse(path) for path in body.delete)
    nodes = BootstrapNodes(body.nodes, body.spread)
    return BootstrapConfiguration(from_senml(json.dumps(body.records)), delete, body.issue, body.discover, nodes)


def bootstrap_entry(pattern: str, fact: BootstrapConfiguration) -> schemas.BootstrapEntry:
    """A configuration without the keys in it."""
    shown = [one for one in fact.records if (one.path.object_id, one.path.resource_id) not in SECRET_RESOURCES]
    configuration = schemas.BootstrapConfiguration(
        records=json.loads(to_senml(shown) or "[]"),
        delete=[str(path) for path in fact.delete],
        issue=fact.issue,
        discover=fact.discover,
        nodes=dict(fact.nodes.uris),
        spread=fact.nodes.spread,
    )
    return schemas.BootstrapEntry(pattern=pattern, configuration=configuration)
