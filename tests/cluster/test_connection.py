"""NATS is spoken to in the clear on this machine only."""

from pathlib import Path

import pytest

from lwm2m_ml.cluster.connection import check_exposure, connect
from lwm2m_ml.errors import UnavailableError, UsageError
from lwm2m_ml.exposure import Certificates
from tests.lost_connections import LOST_CONNECTIONS

pytestmark = LOST_CONNECTIONS

NONE = Certificates()
ALL = Certificates("ca.pem", "cert.pem", "key.pem")


@pytest.mark.parametrize(
    ("url", "certificates", "credentials", "reason"),
    [
        ("nats://nats.example:4222", ALL, None, "in the clear"),
        ("nats://me:secret@192.0.2.1:4222", NONE, None, "in the clear"),
        ("nats://127.0.0.1:4222,nats://192.0.2.1:4222", NONE, None, "in the clear"),
        ("tls://nats.example:4222", NONE, None, "without credentials"),
        ("tls://nats.example:4222", Certificates("ca.pem"), None, "without credentials"),
        ("nats.example:4222", ALL, None, "no address"),
        ("http://127.0.0.1:4222", ALL, None, "no address"),
    ],
)
def test_what_others_could_hear_or_join_is_refused(
    url: str, certificates: Certificates, credentials: Path | None, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        check_exposure(url, certificates, credentials)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "certificates", "credentials"),
    [
        ("nats://127.0.0.1:4222", NONE, None),
        ("nats://[::1]:4222,nats://localhost:4223", NONE, None),
        ("tls://nats.example:4222", ALL, None),
        ("tls://nats.example:4222", NONE, Path("node.creds")),
        ("tls://me:secret@nats.example:4222", NONE, None),
    ],
)
def test_this_machine_and_tls_with_credentials_are_fine(
    url: str, certificates: Certificates, credentials: Path | None
) -> None:
    check_exposure(url, certificates, credentials)


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = Certificates(*(str(tmp_path / name) for name in ("ca", "cert", "key")))
    with pytest.raises(UsageError, match="certificates for the cluster"):
        await connect("tls://127.0.0.1:1", missing, None, name="x", on_reconnected=lambda: None)


async def test_a_node_alone_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.cluster.connection.FIRST_SECONDS", 1.0)
    with pytest.raises(UnavailableError, match=r"NATS at 127\.0\.0\.1:1 does not let this node in \(.+\)") as caught:
        await connect("nats://me:secret@127.0.0.1:1", NONE, None, name="x", on_reconnected=lambda: None)
    assert caught.value.hint


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read"), ("nonsense", "holds no credentials")])
async def test_credentials_that_cannot_be_used_are_named(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "node.creds"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=reason):
        await connect("nats://127.0.0.1:1", NONE, file, name="x", on_reconnected=lambda: None)
