"""The command `lwm2m-sim`, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lwm2m_ml.errors import UsageError
from lwm2m_ml_simulator.cli.command import app
from lwm2m_ml_simulator.cli.dashboard import duration

SCENARIO = """
name = "street"
seed = 3
time = "virtual"
duration = "12h"
network = { latency = 0.2, loss = 0.02 }
[[client]]
endpoint = "lamp"
count = 6
lifetime = 3600
queue_awake = 10
radio = "nb-iot"
[[event]]
action = "power-cut"
at = "6h"
lasting = "10m"
share = 0.5
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "street.toml"
    path.write_text(SCENARIO)
    return str(path)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_half_a_day_in_virtual_time_tells_what_happened_and_records_it(scenario: str, tmp_path: Path) -> None:
    told = json.loads(invoke("run", scenario, "--json", "--record", str(tmp_path / "traces")))
    (lamps,) = told["kinds"]
    assert told["elapsed"] == 43_200
    assert told["events"] == {"power-cut": 3}
    assert (lamps["devices"], lamps["registered"], lamps["boots"]) == (6, 6, 9)
    assert lamps["datagrams_out"] > 12 * 6 * 0.8
    assert lamps["joules"] > 0
    assert len(list((tmp_path / "traces").glob("*.pcap"))) == 6
    shown = json.loads(invoke("replay", str(tmp_path / "traces" / "lamp-00001.pcap"), "--json"))
    assert (shown[0]["direction"], shown[0]["message"]) == ("device → server", "POST /rd")


def test_a_run_ends_with_a_table(scenario: str) -> None:
    output = invoke("run", scenario, "--duration", "1h", "--seed", "9")
    assert "street: 6 of 6 registered, 1 h 0 min of virtual time" in output
    assert "lamp" in output


def test_a_scenario_is_checked(scenario: str) -> None:
    assert "street: 0 devices with a microcontroller, 6 without, 1 events, virtual time" in invoke("check", scenario)
    assert json.loads(invoke("check", scenario, "--json"))["duration"] == 43_200


def test_the_schema_names_every_table() -> None:
    schema = json.loads(invoke("schema"))
    assert {"device", "client", "event", "network"} <= set(schema["properties"])


def test_costs_are_compared_and_their_assumptions_told() -> None:
    told = json.loads(invoke("energy", "--full", "8000", "--delta", "2000", "--runs", "1", "--json"))
    assert [(row["package"], row["by"]) for row in told["costs"]] == [
        (form, by) for form in ("full", "delta") for by in ("blocks", "windowed", "tcp")
    ]
    assert any("assumed" in sentence for sentence in told["assumptions"])
    assert "mJ" in invoke("energy", "--full", "8000", "--runs", "1")
    assert "3GPP TR 45.820" in invoke("radios")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "SCENARIO", "--duration", "soon"], "a duration is"),
        (["run", "SCENARIO", "--real", "--deploy", "digits"], "--deploy works in virtual time"),
        (["run", "SCENARIO", "--virtual-server", "none"], "No package offers the server 'none'"),
        (["run", "SCENARIO", "--trust-anchor", "SCENARIO"], "trust anchor .* cannot be read"),
        (["run", "SCENARIO", "--log-level", "loud"], "'loud' is no log level"),
        (["check", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["replay", "SCENARIO"], "cannot be read"),
        (["energy", "--full", "1", "--target", "cortex-m4f"], "is a core, not a microcontroller"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(arguments: list[str], message: str, scenario: str) -> None:
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(
            app, [scenario if argument == "SCENARIO" else argument for argument in arguments], catch_exceptions=False
        )


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.25, "1.2 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")]
)
def test_durations_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
