"""The whole way from drift to a better model, as a user walks it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-m", "lwm2m_ml_simulator.demonstration.drift"]


def run(*arguments: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_drift_ends_with_a_model_that_learned_from_it(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="training anew needs the [tensorflow] extra")
    script = ROOT / "examples" / "zoo" / "retrain_gestures.py"
    done = run("--retrain", str(script), "--wrists", "3", "--plot", str(tmp_path / "story.png"), timeout=1_100.0)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("drift begins", "alarm: ", "learned from ", "gestures 1.1.0 runs everywhere", "after the update"):
        assert step in done.stdout
    assert (tmp_path / "story.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments", [(), ("--retrain", "x.py", "--wrists", "1")])
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: demo-drift" in done.stderr
