"""What travels about credentials and bootstrap between the API and its clients."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from lwm2m_ml.client.schemas.shape import Schema

Kind = Literal["psk", "rpk", "x509", "oscore"]


class CredentialRequest(Schema):
    """A credential to be made; what is left out is made up. Keys and OSCORE parameters are hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(min_length=1, max_length=255)
    kind: Kind = "psk"
    identity: str | None = Field(default=None, description="PSK identity")
    key: str | None = Field(default=None, repr=False, description="PSK, 16 to 64 bytes")
    public_key: str | None = Field(default=None, max_length=4_096, description="PEM, P-256; for rpk")
    certificate: str | None = Field(default=None, max_length=65_536, description="PEM of the device or an authority")
    usage: int | None = Field(default=None, ge=0, le=3, description="LwM2M certificate usage; 3: exactly this one")
    authorities: str | None = Field(default=None, max_length=262_144, description="PEM, for usages 0 and 1")
    master_secret: str | None = Field(default=None, repr=False)
    master_salt: str | None = None
    device_id: str | None = None
    server_id: str | None = None
    id_context: str | None = None


class CredentialsToImport(Schema):
    """Many credentials: all of them are made, or none."""

    credentials: list[CredentialRequest] = Field(max_length=10_000)


class Credential(Schema):
    """A credential without its secret. Times are Unix seconds."""

    id: str
    endpoint: str
    kind: str
    identity: str
    origin: str
    usage: int | None = None
    created_at: float
    expires_at: float | None
    revoked_at: float | None


class IssuedCredential(Schema):
    """A new credential with what its device needs, which is never shown again."""

    credential: Credential
    secret: dict[str, str] = Field(repr=False)


class Rotation(Schema):
    """How long the earlier credential stays good unless the new one is used before."""

    grace: float = Field(default=86_400.0, ge=0)


class ServerCertificate(Schema):
    """The certificate that devices are shown."""

    pem: str


class BootstrapConfiguration(Schema):
    """What devices get from the bootstrap server.

    `records` is SenML JSON: values of objects 0, 1 and others. With `issue`, each device gets a pre-shared key of its
    own for the servers of object 0. With `discover`, the account that led the device here keeps its instance. `nodes`
    are URIs by the names that nodes were started with: each device is told one that lives, spread evenly and always the
    same, or without `spread` the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: list[dict[str, Any]] = Field(max_length=1_000, repr=False)
    delete: list[str] = Field(default=["/"], max_length=64)
    issue: bool = False
    discover: bool = False
    nodes: dict[str, str] = Field(default={}, max_length=1_000)
    spread: bool = True


class BootstrapEntry(Schema):
    """The configuration of an endpoint name or a pattern such as `sensor-*`; keys of object 0 are left out."""

    pattern: str
    configuration: BootstrapConfiguration
