"""Settings come from a TOML file, the environment and flags, the later over the earlier."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lwm2m_ml.config import Settings


@pytest.fixture(autouse=True)
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_keep_to_loopback() -> None:
    settings = Settings()
    assert settings.api_host == settings.coap_host == "127.0.0.1"
    assert not settings.insecure


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("lwm2m-ml.toml").write_text("coap_port = 1111\napi_port = 2222\n[objects]\nmodel = 33000\n")
    monkeypatch.setenv("LWM2M_ML_API_PORT", "3333")
    settings = Settings()
    assert (settings.coap_port, settings.api_port, settings.objects.model) == (1111, 3333, 33000)


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_API_PORT", "3333")
    assert Settings(api_port=4444).api_port == 4444


def test_an_unknown_setting_is_refused() -> None:
    Path("lwm2m-ml.toml").write_text("coap_prot = 1111\n")
    with pytest.raises(ValidationError, match="coap_prot"):
        Settings()


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="coap_port"):
        Settings(coap_port=70000)


def test_the_database_is_sqlite_in_the_data_directory_unless_said_otherwise(tmp_path: Path) -> None:
    assert Settings(data_directory=tmp_path).database_url == f"sqlite+aiosqlite:///{tmp_path}/lwm2m-ml.sqlite3"
    assert Settings(database="sqlite+aiosqlite:///x").database_url == "sqlite+aiosqlite:///x"


def test_object_numbers_come_from_this_programs_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "somebody else's")
    monkeypatch.setenv("LWM2M_ML_OBJECTS__RESULT", "33001")
    assert Settings().objects.chosen == {42769: 42769, 42770: 42770, 42771: 33001, 42772: 42772, 42773: 42773}


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 5684), ({"coap_port": 0}, 0), ({"coap_port": 7000}, 7001), ({"coap_port": 65535}, 0), ({"coaps_port": 9}, 9)],
)
def test_coaps_has_the_port_after_coap_unless_it_is_told(given: dict[str, int], port: int) -> None:
    assert Settings(**given).secure_port == port  # type: ignore[arg-type]


def test_the_secret_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM2M_ML_SECRET", "correct horse battery")
    settings = Settings()
    assert settings.secret.get_secret_value() == "correct horse battery"
    assert "horse" not in repr(settings)
