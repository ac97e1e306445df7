"""`lwm2m-ml configurations`: wires as they are typed, and what is asked of the server."""

import json

import pytest

from tests.cli import test_credentials

run = test_credentials.run


def asked(*options: str) -> dict[str, object]:
    done = run("configurations", "set", "mcu", "1", *options, "--dry-run")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_wires_are_read_as_they_are_typed() -> None:
    request = asked(
        "--input",
        "audio=sensor:(value - 128) / 255",
        "--input",
        "wake=</42771/0/1>",
        "--output",
        "scores=</3340/0/5538>:if(position(value) == 1, 2, max(before - 1, 0))",
        "--condition",
        "wake == 1",
        "--enable",
    )
    assert request["method"] == "PATCH"
    assert str(request["path"]).endswith("/devices/mcu/configurations/1")
    assert request["body"] == {
        "inputs": [
            {"label": "audio", "link": "", "transform": "(value - 128) / 255"},
            {"label": "wake", "link": "</42771/0/1>", "transform": ""},
        ],
        "outputs": [
            {
                "label": "scores",
                "link": "</3340/0/5538>",
                "transform": "if(position(value) == 1, 2, max(before - 1, 0))",
            }
        ],
        "condition": "wake == 1",
        "enabled": True,
    }


@pytest.mark.parametrize("wire", ["audio", "=sensor", "audio=microphone", "audio=</42771/0> and", "audio=", ""])
def test_a_wire_that_is_none_is_refused(wire: str) -> None:
    done = run("configurations", "set", "mcu", "1", "--input", wire, "--dry-run")
    assert done.returncode == 2
    assert "is no wire" in done.stderr


def test_nothing_to_change_is_told() -> None:
    done = run("configurations", "set", "mcu", "1")
    assert done.returncode == 2
    assert "Nothing to change is named" in done.stderr
