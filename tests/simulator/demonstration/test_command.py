"""The demonstration keeps its promises, and does not when a device answers anything but what it should."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

IMAGES = 100
FLEET_OF_ONE = """
name = "one"
seed = 1

[[device]]
endpoint = "node"
target = "nrf52840"
slot_bytes = 65_536
inference_period_ms = 1
"""


def demonstrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lwm2m_ml", "demo", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_ML_")}
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=110, check=False)


def fleet(tmp_path: Path, faults: str = "") -> str:
    file = tmp_path / "fleet.toml"
    file.write_text(FLEET_OF_ONE + faults)
    return str(file)


@pytest.fixture(scope="module")
def shown() -> dict[str, dict[str, Any]]:
    done = demonstrate("--json", "--images", str(IMAGES))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["seconds"] > 0
    return {device["endpoint"]: device for device in document["devices"]}


def test_every_device_is_active_or_refused_with_numbers(shown: dict[str, dict[str, Any]]) -> None:
    assert len(shown) >= 7
    refused = [device for device in shown.values() if device["state"] != "active"]
    assert [device["state"] for device in refused] == ["refused"]
    assert "B of module storage" in refused[0]["reason"]


def test_every_active_device_answered_bit_for_bit(shown: dict[str, dict[str, Any]]) -> None:
    for device in shown.values():
        if device["state"] == "active":
            assert device["bit_exact"] is True
            assert device["shown"] == IMAGES
            assert device["right"] == device["reference_right"] >= 90


def test_variants_follow_what_the_devices_can_hold(shown: dict[str, dict[str, Any]]) -> None:
    chosen = {device["variant"] for device in shown.values() if device["state"] == "active"}
    assert {"digits-small", "digits-large"} <= chosen
    assert shown["stm32l053-tiny"]["variant"] == "digits-small"
    assert shown["nrf52840"]["variant"] == "digits-large"


def test_a_power_cut_costs_some_blocks_and_nothing_else(shown: dict[str, dict[str, Any]]) -> None:
    cut, uncut = shown["nrf52833-power-cut"], shown["nrf52840"]
    assert cut["module_bytes"] == uncut["module_bytes"]
    assert uncut["ota_bytes"] < cut["ota_bytes"] < 1.5 * uncut["ota_bytes"]


def test_one_changed_weight_in_a_delivered_module_ends_with_1(tmp_path: Path) -> None:
    rot = "[device.faults]\nbit_rot = { after_inferences = 10, bit = 6 }\n"
    done = demonstrate("--json", "--fleet", fleet(tmp_path, rot))
    (device,) = json.loads(done.stdout)["devices"]
    assert device["bit_exact"] is False
    assert done.returncode == 1


def test_one_flipped_bit_of_the_package_head_is_refused_by_the_device(tmp_path: Path) -> None:
    flip = "[device.faults]\npackage_bit_flip = { offset = 200, bit = 3 }\n"
    done = demonstrate("--json", "--fleet", fleet(tmp_path, flip))
    (device,) = json.loads(done.stdout)["devices"]
    assert device["state"] == "failed"
    assert "signature" in device["reason"] or "digest" in device["reason"]
    assert done.returncode == 1


def test_a_block_with_one_flipped_bit_is_fetched_again(tmp_path: Path) -> None:
    flip = "[device.faults]\npackage_bit_flip = { offset = 20_000, bit = 3 }\n"
    done = demonstrate("--json", "--fleet", fleet(tmp_path, flip))
    (device,) = json.loads(done.stdout)["devices"]
    assert (device["state"], device["bit_exact"]) == ("active", True)
    assert device["ota_bytes"] > device["module_bytes"]
    assert done.returncode == 0


def test_an_unreadable_fleet_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text("[[device]]\nendpoint = 7\n")
    done = demonstrate("--fleet", str(file))
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
