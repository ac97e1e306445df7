"""NATS and PostgreSQL over TLS: who has the right certificate or credentials is let in, and nobody else."""

import base64
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from lwm2m_ml.bus import Bus
from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings
from lwm2m_ml.errors import Lwm2mMlError, MissingToolError, UnavailableError
from lwm2m_ml.exposure import Certificates
from lwm2m_ml.store import Store, StoreError
from lwm2m_ml_simulator.cluster.certificates import make_certificates
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.postgresql import USER, PostgreSql, postgresql
from lwm2m_ml_simulator.cluster.process import LOOPBACK
from tests.lost_connections import LOST_CONNECTIONS

pytestmark = LOST_CONNECTIONS


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ours") / "all", USER)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of another authority, which gives the same names."""
    return make_certificates(tmp_path_factory.mktemp("theirs") / "all", USER)


def mixed(authority: Certificates, own: Certificates) -> Certificates:
    """Who believes one authority and comes with a certificate of another."""
    return Certificates(authority.authority, own.certificate, own.private_key)


# NATS


async def acts_for_a_device(settings: ClusterSettings, store: Store) -> bool:
    """Whether a node joins the cluster and gets what it claims."""
    bus = Bus()
    cluster = await Cluster.join(settings, store, bus)
    try:
        name = f"urn:dev:{secrets.token_hex(4)}"
        await cluster.ownership.claim(name)
        return cluster.ownership.has(name)
    finally:
        await cluster.leave()
        await bus.close()


@pytest.mark.usefixtures("nats_server")
async def test_nats_lets_in_nodes_with_a_certificate_and_nobody_else(
    stores: tuple[Store, Store],
    ours: Certificates,
    theirs: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with nats(tmp_path / "nats", certificates=ours) as server:
        assert server.url.startswith("tls://")
        assert await acts_for_a_device(ClusterSettings(server.url, ours), stores[0])
        monkeypatch.setattr("lwm2m_ml.cluster.connection.FIRST_SECONDS", 1.0)
        for wrong in (mixed(ours, theirs), mixed(theirs, ours), Certificates(ours.authority)):
            with pytest.raises(UnavailableError, match="does not let this node in"):
                await acts_for_a_device(ClusterSettings(server.url, wrong), stores[0])


class Authority:
    """Operator, account and user of NATS' decentralised authentication: each signs for the next one.

    Tokens are JSON Web Tokens signed by nkeys, as NATS describes them (docs.nats.io, "JSON Web Tokens").
    """

    def __init__(self) -> None:
        nkeys = pytest.importorskip("nkeys", reason="the extra [cluster] is not installed")
        kinds = (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
        seeds = [nkeys.encode_seed(os.urandom(32), kind) for kind in kinds]
        self._seed = seeds[2]
        self._operator, self._account, self._user = (nkeys.from_seed(bytearray(seed)) for seed in seeds)
        self._system = nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT)))

    @property
    def configuration(self) -> str:
        """What the server has to know."""
        unlimited = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        unlimited |= dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
        operator = self._token(self._operator, self._operator, "operator")
        accounts = {
            account.public_key.decode(): self._token(self._operator, account, "account", limits=limits)
            for account, limits in ((self._account, unlimited), (self._system, {}))
        }
        known = "\n".join(f"{name}: {token}" for name, token in accounts.items())
        system = self._system.public_key.decode()
        return f"operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload {{\n{known}\n}}\n"

    def credentials(self, file: Path) -> Path:
        """The file that a node is let in with."""
        token = self._token(self._account, self._user, "user", subs=-1, data=-1, payload=-1)
        parts = {"NATS USER JWT": token, "USER NKEY SEED": self._seed.decode()}
        file.write_text("".join(f"-----BEGIN {k}-----\n{v}\n------END {k}------\n" for k, v in parts.items()))
        return file

    def _token(self, issuer: object, subject: object, kind: str, **claims: object) -> str:
        body = {
            "jti": os.urandom(8).hex(),
            "iat": int(time.time()),
            "iss": issuer.public_key.decode(),  # type: ignore[attr-defined]
            "sub": subject.public_key.decode(),  # type: ignore[attr-defined]
            "name": kind,
            "nats": {"type": kind, "version": 2, **claims},
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
        return f"{signed}.{_base64(issuer.sign(signed.encode()))}"  # type: ignore[attr-defined]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.usefixtures("nats_server")
async def test_nats_lets_in_nodes_with_credentials_and_nobody_else(
    stores: tuple[Store, Store], ours: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, stranger = Authority(), Authority()
    one_way = f'tls {{ cert_file: "{ours.certificate}", key_file: "{ours.private_key}" }}\n'
    believing = Certificates(ours.authority)
    with nats(tmp_path / "nats", more=authority.configuration + one_way) as server:
        url = server.url.replace("nats://", "tls://")
        right, wrong = (each.credentials(tmp_path / f"{id(each)}.creds") for each in (authority, stranger))
        assert await acts_for_a_device(ClusterSettings(url, believing, right), stores[0])
        monkeypatch.setattr("lwm2m_ml.cluster.connection.FIRST_SECONDS", 1.0)
        for settings in (ClusterSettings(url, believing, wrong), ClusterSettings(url, believing)):
            with pytest.raises(UnavailableError, match="does not let this node in"):
                await acts_for_a_device(settings, stores[0])


# PostgreSQL


@pytest.fixture(scope="module")
def database(ours: Certificates) -> Iterator[PostgreSql]:
    pytest.importorskip("asyncpg", reason="the extra [cluster] is not installed")
    try:
        with postgresql(durable=False, certificates=ours) as found:
            yield found
    except MissingToolError as error:
        pytest.skip(str(error))


def url_of(database: PostgreSql, certificates: Certificates, mode: str = "verify-full") -> str:
    url = make_url(f"postgresql://{USER}@{LOOPBACK}:{database.port}/{USER}")
    files = {"sslrootcert": certificates.authority, "sslcert": certificates.certificate}
    query = {"sslmode": mode, **files, "sslkey": certificates.private_key}
    return str(url.update_query_dict({name: value for name, value in query.items() if value}))


async def test_postgresql_lets_in_who_has_a_certificate(database: PostgreSql, ours: Certificates) -> None:
    for mode in ("verify-full", "verify-ca"):
        store = await Store.open(url_of(database, ours, mode))
        await store.tokens.add(mode, scope="admin", label="mine")
        (row,) = await store._database.rows(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert row.ssl
        await store.close()


async def test_postgresql_lets_in_nobody_else_and_is_not_believed_with_another_certificate(
    database: PostgreSql, ours: Certificates, theirs: Certificates
) -> None:
    for wrong in (mixed(ours, theirs), mixed(theirs, ours), Certificates(ours.authority)):
        with pytest.raises(StoreError):
            await Store.open(url_of(database, wrong))
    with pytest.raises(Lwm2mMlError):
        await Store.open(f"postgresql://{USER}@{LOOPBACK}:{database.port}/{USER}")
