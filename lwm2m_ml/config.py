"""The one configuration object: TOML file, environment (`LWM2M_ML_…`), then flags."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from lwm2m_ml.exposure import Certificates


def default_data_directory() -> Path:
    """Where the embedded database, keys and caches live unless the user says otherwise."""
    return Path.home() / ".local" / "share" / "lwm2m-ml"


class ObjectIds(BaseModel):
    """Numbers of this project's own LwM2M objects.

    The defaults are in OMA's test range 42769-42800, which must not be used in production.
    """

    capabilities: int = 42769
    model: int = 42770
    result: int = 42771
    learning: int = 42772
    probe: int = 42773

    @property
    def chosen(self) -> dict[int, int]:
        """The number in use of each object, by its default."""
        return {field.default: getattr(self, name) for name, field in type(self).model_fields.items()}


class MonitoringSettings(BaseModel):
    """How models in the field are watched."""

    period: float = Field(default=3600.0, gt=0, description="seconds between two looks at what a device has counted")
    stability_index: float = Field(default=0.1, gt=0, description="population stability index that counts as drift")
    kolmogorov_smirnov: float = Field(default=0.1, gt=0, le=1, description="Kolmogorov-Smirnov distance likewise")
    false_alarms: float = Field(default=1e-4, gt=0, lt=1, description="chance of a false alarm in one comparison")
    samples: int = Field(default=30, ge=1, description="inputs below which nothing is judged")
    captures_on_alarm: int = Field(default=8, ge=0, le=1000, description="inputs asked for when drift is seen")
    result_messages: float = Field(
        default=100.0,
        ge=0,
        description="messages with results a second that a device may send, five seconds' worth at once; 0: no limit",
    )
    result_days: float = Field(default=30.0, gt=0, description="days that each result is kept; hours are kept longer")
    hour_days: float = Field(default=730.0, gt=0, description="days that the sums of each hour are kept")
    models: dict[str, "DriftThresholds"] = Field(default_factory=dict, description="other thresholds, by model")


class DriftThresholds(BaseModel):
    """Thresholds of one model; those of all models stand in for what is not given."""

    stability_index: float | None = Field(default=None, gt=0)
    kolmogorov_smirnov: float | None = Field(default=None, gt=0, le=1)
    samples: int | None = Field(default=None, ge=1)


ScopeName = Literal["viewer", "operator", "admin"]


def same_roles() -> dict[str, ScopeName]:
    """Roles that are called like the scopes they stand for."""
    return {"viewer": "viewer", "operator": "operator", "admin": "admin"}


class OidcSettings(BaseModel):
    """An OpenID Connect provider whose tokens the API takes beside its own. Needs the extra `oidc`."""

    issuer: str = Field(default="", description="its URL, as its tokens name it; empty: none")
    audience: str = Field(default="lwm2m-ml", description="what its tokens must be meant for")
    claim: str = Field(default="roles", description="the claim that lists what a caller may do")
    roles: dict[str, ScopeName] = Field(default_factory=same_roles, description="the scope that each role stands for")


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="LWM2M_ML_", env_nested_delimiter="__", toml_file="lwm2m-ml.toml", extra="forbid"
    )

    data_directory: Path = Field(default_factory=default_data_directory)
    database: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data directory")
    coap_host: str = "127.0.0.1"
    coap_port: int = Field(default=5683, ge=0, le=65535, description="0 picks a free port")
    public_uris: str = Field(
        default="",
        description="where devices find this server that is behind a balancer, by scheme: coap://HOST:PORT coaps://…",
    )
    insecure: bool = Field(default=False, description="accept plain CoAP, without DTLS or OSCORE")
    coaps: bool = Field(default=True, description="accept CoAP over DTLS")
    coaps_port: int | None = Field(
        default=None, ge=0, le=65535, description="0 picks a free port; empty: the one after coap_port, 5684"
    )
    dtls_engine: Literal["openssl", "cid"] = Field(
        default="openssl",
        description="cid: an own DTLS 1.2 with connection ids, for devices behind NATs; see docs/dtls.md before use",
    )
    oscore: bool = Field(default=False, description="accept CoAP protected by OSCORE on coap_port")
    coap_tcp_port: int | None = Field(
        default=None, ge=0, le=65535, description="plain CoAP over TCP; empty: off, else only together with insecure"
    )
    coaps_tcp_port: int | None = Field(default=None, ge=0, le=65535, description="CoAP over TLS; empty: off")
    coap_batches: bool = Field(
        default=False, description="move many datagrams per system call, with a library compiled at first use (Linux)"
    )
    certificate: Path | None = Field(default=None, description="PEM shown to devices; empty: one made at first start")
    private_key: Path | None = Field(default=None, description="PEM of the certificate's key")
    secret: SecretStr = Field(
        default=SecretStr(""), description="encrypts stored secrets; empty: a key file in the data directory"
    )
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535, description="0 picks a free port")
    package_url: str = Field(
        default="",
        pattern="^(https?://.+)?$",
        description="where devices fetch packages over HTTP(S); empty: at the API, if it has TLS or with insecure",
    )
    api_certificate: Path | None = Field(default=None, description="PEM that the API is served with over TLS")
    api_private_key: Path | None = Field(default=None, description="PEM of the API certificate's key")
    api_plaintext: bool = Field(
        default=False, description="serve the API without TLS beyond this machine, behind a proxy that adds it"
    )
    api_rate: float = Field(
        default=100.0, ge=0, description="requests per second of one API caller, in the long run; 0 sets no limit"
    )
    api_upload_limit: int = Field(default=64 << 20, ge=1 << 20, description="bytes of an uploaded file, at most")
    model_programs: bool = Field(
        default=False,
        description="take Keras H5 files and SavedModels, which can hold programs; they are read in confinement",
    )
    oidc: OidcSettings = Field(default_factory=OidcSettings)
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    trace_endpoint: str = Field(
        default="", description="OTLP/HTTP URL that traces of the API are sent to; empty: nowhere; needs the extra otel"
    )
    audit_days: float = Field(default=365.0, gt=0, description="how long the audit log is kept")
    update_severity: Literal["critical", "mandatory", "optional"] = Field(
        default="mandatory", description="of updates by reboot (object 5); critical ones cannot be deferred"
    )
    update_maximum_defer: int = Field(
        default=0, ge=0, description="seconds for which a device's user may defer an update by reboot"
    )
    compile_workers: int = Field(default=2, ge=1, le=64)
    compile_farm: str = Field(
        default="",
        description="address of a Dask scheduler that compiles, tls:// or on this machine tcp://; extra cluster",
    )
    cluster: str = Field(
        default="",
        description="addresses of NATS servers by which nodes are one service: tls://, or nats:// on this machine",
    )
    node: str = Field(default="", description="what this node of a cluster is called; empty: like its host")
    cluster_credentials: Path | None = Field(default=None, description="a .creds file that NATS knows this node by")
    cluster_ca: Path | None = Field(default=None, description="PEM of who signs for the cluster's parts")
    cluster_certificate: Path | None = Field(default=None, description="PEM that this node shows to NATS and Dask")
    cluster_private_key: Path | None = Field(default=None, description="PEM of that certificate's key")
    objects: ObjectIds = Field(default_factory=ObjectIds)
    monitoring: MonitoringSettings = Field(default_factory=MonitoringSettings)

    @property
    def cluster_certificates(self) -> Certificates:
        """The certificates for other parts of the cluster."""
        files = self.cluster_ca, self.cluster_certificate, self.cluster_private_key
        return Certificates(*("" if file is None else str(file) for file in files))

    @property
    def secure_port(self) -> int:
        """The UDP port for CoAP over DTLS."""
        if self.coaps_port is not None:
            return self.coaps_port
        return self.coap_port + 1 if 0 < self.coap_port < 65535 else 0

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database, async driver included."""
        return self.database or f"sqlite+aiosqlite:///{self.data_directory / 'lwm2m-ml.sqlite3'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
