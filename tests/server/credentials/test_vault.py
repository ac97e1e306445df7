"""Secrets at rest."""

from pathlib import Path

import pytest

from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.vault import KEY_FILE, SecretsUnreadable, Vault


def test_a_secret_comes_back_in_its_context_only(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    sealed = vault.seal(b"the key", "credential a")
    assert b"the key" not in sealed
    assert vault.unseal(sealed, "credential a") == b"the key"
    with pytest.raises(SecretsUnreadable):
        vault.unseal(sealed, "credential b")


def test_the_same_secret_never_looks_the_same(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    assert vault.seal(b"x", "c") != vault.seal(b"x", "c")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(60)])
def test_damage_is_noticed(tmp_path: Path, sealed: bytes) -> None:
    with pytest.raises(SecretsUnreadable, match=r"secrets\.key"):
        Vault.open(tmp_path).unseal(sealed, "c")


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    sealed = Vault.open(tmp_path).seal(b"x", "c")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert Vault.open(tmp_path).unseal(sealed, "c") == b"x"


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Vault.open(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        Vault.open(tmp_path)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    Vault.open(tmp_path)
    (tmp_path / KEY_FILE).write_bytes(b"half")
    with pytest.raises(SecretsUnreadable):
        Vault.open(tmp_path)


@pytest.mark.parametrize("phrase", ["00" * 32, "a phrase of some length"])
def test_a_given_phrase_needs_no_file(tmp_path: Path, phrase: str) -> None:
    sealed = Vault.open(tmp_path, phrase).seal(b"x", "c")
    assert not (tmp_path / KEY_FILE).exists()
    assert Vault.open(tmp_path / "elsewhere", phrase).unseal(sealed, "c") == b"x"
    with pytest.raises(SecretsUnreadable):
        Vault.open(tmp_path, "another phrase of some length").unseal(sealed, "c")


def test_a_short_phrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Vault.open(tmp_path, "short")
