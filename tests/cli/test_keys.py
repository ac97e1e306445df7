"""`lwm2m-ml keys`: a key's whole life, and what devices are told of it."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lwm2m_ml.cli.main import app
from lwm2m_ml.errors import ConflictError, NotFoundError, UsageError
from lwm2m_ml.module.key_folder import open_key_store
from lwm2m_ml.module.key_index import Purpose
from lwm2m_ml.module.trust_list import TrustList


def keys(tmp_path: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["keys", *arguments, "--data-directory", str(tmp_path)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def published(tmp_path: Path) -> TrustList:
    store = open_key_store(tmp_path)
    root = store.verification_key(store.active(Purpose.ROOT))
    signed = store.published_trust_list()
    assert signed is not None
    return TrustList.verify(signed, [root], None)


def test_new_keys_are_listed_and_private_ones_are_for_their_owner_only(tmp_path: Path) -> None:
    keys(tmp_path, "new", "--root")
    made = keys(tmp_path, "new", "--algorithm", "es256").split()[0]
    listed = json.loads(keys(tmp_path, "list", "--json"))
    assert [(one["purpose"], one["algorithm"], one["state"]) for one in listed] == [
        ("root", "EDDSA", "active"),
        ("modules", "ES256", "active"),
    ]
    assert listed[1]["key_id"] == made
    assert made[:16] in keys(tmp_path, "list")
    for path in (tmp_path / "keys").glob("*.pem"):
        assert path.name.endswith(".pub.pem") or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rotation_overlaps_and_devices_are_told(tmp_path: Path) -> None:
    keys(tmp_path, "new", "--root")
    old = keys(tmp_path, "new").split()[0]
    new = keys(tmp_path, "rotate", "--overlap", "7").split()[0]
    trusted = published(tmp_path)
    assert {one.key.key_id.hex() for one in trusted.keys} == {old, new}
    assert next(one.valid_until for one in trusted.keys if one.key.key_id.hex() == old) is not None
    assert trusted.version == 3


def test_a_revoked_key_is_on_the_list_of_what_is_refused(tmp_path: Path) -> None:
    keys(tmp_path, "new", "--root")
    old = keys(tmp_path, "new").split()[0]
    keys(tmp_path, "rotate")
    keys(tmp_path, "revoke", old[:8])
    trusted = published(tmp_path)
    assert trusted.revoked == (bytes.fromhex(old),)
    assert old not in {key.key_id.hex() for key in trusted.trusted_at(0)}


def test_the_root_may_live_elsewhere(tmp_path: Path) -> None:
    here, vault = tmp_path / "here", tmp_path / "vault"
    made = keys(here, "new").split()[0]
    with pytest.raises(NotFoundError, match="no active key for root"):
        keys(here, "trust-list")
    keys(vault, "new", "--root")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (here / "keys").iterdir():
        if path.name == "keys.json" or path.name.endswith(".pub.pem"):
            (copy / path.name).write_bytes(path.read_bytes())
    keys(vault, "trust-list", "--of", str(copy), "--output", str(tmp_path / "list"))
    keys(here, "trust-list", "--publish", str(tmp_path / "list"))
    signed = open_key_store(here).published_trust_list()
    assert signed is not None
    assert [key.key_id.hex() for key in TrustList.peek(signed).trusted_at(None)] == [made]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_dry_run_makes_no_store(tmp_path: Path) -> None:
    place = tmp_path / "nothing" / "here"
    told = json.loads(keys(place, "new", "--algorithm", "es256", "--dry-run"))
    assert told == {"dry_run": True, "new_key": {"purpose": "modules", "algorithm": "ES256"}, "published": False}
    assert json.loads(keys(place, "new", "--root", "--dry-run"))["published"]
    assert list(tmp_path.iterdir()) == []


def test_dry_runs_say_what_then_happens(tmp_path: Path) -> None:
    keys(tmp_path, "new", "--root")
    old = keys(tmp_path, "new", "--algorithm", "es256").split()[0]
    before = contents(tmp_path)
    rotation = json.loads(keys(tmp_path, "rotate", "--overlap", "7", "--dry-run"))
    revocation = json.loads(keys(tmp_path, "revoke", old[:8], "--dry-run"))
    listed = json.loads(keys(tmp_path, "trust-list", "--output", str(tmp_path / "list"), "--dry-run"))
    assert contents(tmp_path) == before
    assert rotation["changed_key"]["key_id"] == revocation["changed_key"]["key_id"] == old
    assert rotation["changed_key"]["state"] == "retiring"
    assert rotation["new_key"] == {"purpose": "modules", "algorithm": "ES256"}
    assert revocation["changed_key"]["state"] == "revoked"
    assert listed["published"]
    keys(tmp_path, "trust-list")
    trusted = published(tmp_path)
    assert listed["version"] == trusted.version
    assert listed["keys"] == [one.key.key_id.hex() for one in trusted.keys] == [old]


def test_a_dry_run_of_publishing_shows_the_list(tmp_path: Path) -> None:
    vault, here = tmp_path / "vault", tmp_path / "here"
    keys(vault, "new", "--root")
    made = keys(vault, "new").split()[0]
    keys(vault, "trust-list", "--output", str(tmp_path / "list"))
    told = json.loads(keys(here, "trust-list", "--publish", str(tmp_path / "list"), "--dry-run"))
    assert told["keys"] == [made]
    assert not here.exists()


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("new",), ConflictError, "There is an active key for modules"),
        (("new", "--algorithm", "rsa"), UsageError, "'rsa' is no signature algorithm"),
        (("revoke", "00ff00ff"), NotFoundError, "No key has the identifier"),
        (("trust-list", "--publish", "nowhere"), UsageError, "nowhere cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], told: str, dry_run: bool
) -> None:
    keys(tmp_path, "new")
    with pytest.raises(error, match=told):
        keys(tmp_path, *arguments, *(["--dry-run"] if dry_run else []))
