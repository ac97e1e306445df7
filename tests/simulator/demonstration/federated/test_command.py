"""Learning on a small fleet, as a user walks it, beside TensorFlow."""

import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from lwm2m_ml_simulator.demonstration.federated.fleet import RAM, SHARDS_OF_A_DEVICE, profile_of, shards
from lwm2m_ml_simulator.inputs.digits import load_digits_split

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-m", "lwm2m_ml_simulator.demonstration.federated"]


def run(*arguments: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_few_devices_learn_from_each_other() -> None:
    pytest.importorskip("keras", reason="comparing needs the [tensorflow] extra")
    script = ROOT / "examples" / "digits" / "train_head.py"
    done = run(*("--central", str(script), "--devices", "10", "--rounds", "10", "--share", "1.0"), timeout=1_100.0)
    assert "10 devices run reader 1.0.0" in done.stdout, done.stdout + done.stderr
    for line in ("within 64 KiB and 128 KiB: yes", "alike on both cores: yes", "it was not asked for an update"):
        assert line in done.stdout
    assert "| TensorFlow, host |" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("--central", "x.py", "--devices", "1")])
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: demo-federated" in done.stderr


def test_every_image_is_dealt_out_once_and_devices_see_few_classes() -> None:
    part = load_digits_split().train
    dealt = shards(part, 100)
    assert len(dealt) == 100
    assert sorted(numpy.concatenate(dealt).tolist()) == list(range(len(part)))
    classes = [len(set(part.labels[indices].tolist())) for indices in dealt]
    # A piece lies in one class, or where two meet.
    assert max(classes) <= 2 * SHARDS_OF_A_DEVICE
    assert sum(classes) / len(classes) < 2.2


def test_devices_have_no_more_memory_than_they_may() -> None:
    profile = profile_of(0)
    assert profile.ram_bytes == RAM == 64 * 1024
    assert profile.geometry.total_bytes <= 128 * 1024
    assert {profile_of(number).target.name for number in range(4)} == {"cortex-m4f", "rv32imc"}
