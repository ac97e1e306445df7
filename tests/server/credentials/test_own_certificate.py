"""The server's own certificate."""

from pathlib import Path

import pytest

from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.drafts import certificate
from lwm2m_ml.server.credentials.own_certificate import PRIVATE_KEY_FILE, own_certificate, own_certificate_pem


def test_it_is_made_once(tmp_path: Path) -> None:
    first = own_certificate(tmp_path)
    assert own_certificate_pem(own_certificate(tmp_path)) == own_certificate_pem(first)
    assert (tmp_path / PRIVATE_KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_given_files_are_used(tmp_path: Path) -> None:
    shown = certificate("server.example").shown
    (tmp_path / "c.pem").write_text(shown["certificate"])
    (tmp_path / "k.pem").write_text(shown["private_key"])
    assert (
        own_certificate_pem(own_certificate(tmp_path, tmp_path / "c.pem", tmp_path / "k.pem")) == shown["certificate"]
    )


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(certificate("one").shown["certificate"])
    (tmp_path / "k.pem").write_text(certificate("other").shown["private_key"])
    with pytest.raises(UsageError, match="not the key"):
        own_certificate(tmp_path, tmp_path / "c.pem", tmp_path / "k.pem")


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        own_certificate(tmp_path, tmp_path / "c.pem")
    with pytest.raises(UsageError):
        own_certificate(tmp_path, tmp_path / "c.pem", tmp_path / "k.pem")
