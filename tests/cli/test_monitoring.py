"""`lwm2m-ml alarms` and `captures` against a running service."""

import json
from pathlib import Path

from tests.cli import test_credentials

run = test_credentials.run
server = test_credentials.server


def test_without_alarms_the_list_is_empty(server: dict[str, str]) -> None:
    assert json.loads(run("alarms", "list", "--json", **server).stdout) == []
    assert "RAISED" in run("alarms", "list", "--all", **server).stdout


def test_an_unknown_alarm_is_told_in_a_sentence(server: dict[str, str]) -> None:
    done = run("alarms", "acknowledge", "nothing", **server)
    assert done.returncode == 5
    assert done.stderr.startswith("Error: There is no alarm 'nothing'")


def test_from_allow_to_forbid(server: dict[str, str]) -> None:
    assert run("captures", "allow", "dev", "--per-day", "7", **server).stdout == "dev may be asked for 7 inputs a day\n"
    (consent,) = json.loads(run("captures", "list", "--json", **server).stdout)
    assert (consent["endpoint"], consent["per_day"]) == ("dev", 7)
    assert run("captures", "forbid", "dev", **server).returncode == 0
    assert json.loads(run("captures", "list", "--json", **server).stdout) == []


def test_an_export_of_nothing_writes_nothing(server: dict[str, str], tmp_path: Path) -> None:
    done = run("captures", "export", "digits", "--output", str(tmp_path / "set.npz"), **server)
    assert done.returncode == 5
    assert "No input of digits was captured" in done.stderr
    assert not (tmp_path / "set.npz").exists()


def test_wrong_usage_ends_with_2(server: dict[str, str]) -> None:
    assert run("captures", "allow", "dev", "--per-day", "0", **server).returncode == 2
    assert run("captures", "export", "digits", **server).returncode == 2


def test_results_are_asked_for_by_hours_or_since_a_day(server: dict[str, str]) -> None:
    done = run("results", "nobody", "--since", "2026-11-01", **server)
    assert done.returncode == 1
    assert "nobody has no results since 2026-11-01 00:00" in done.stderr
