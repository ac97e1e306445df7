"""Both cascades as a user starts them, and what they come to when the figures are known."""

import subprocess
import sys
from pathlib import Path

import pytest

from lwm2m_ml_simulator.demonstration.cascades.behind_gateway import GatewayFigures
from lwm2m_ml_simulator.demonstration.cascades.measured import COAP_BYTES, raw_windows
from lwm2m_ml_simulator.demonstration.cascades.report import report
from lwm2m_ml_simulator.demonstration.cascades.wake_word import WakeWordFigures
from lwm2m_ml_simulator.energy.power import load_radio

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-m", "lwm2m_ml_simulator.demonstration.cascades"]


def run(*arguments: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_both_cascades_save_bytes_and_energy() -> None:
    pytest.importorskip("keras", reason="training needs the [tensorflow] extra")
    done = run("--train", str(ROOT / "examples" / "zoo" / "keywords.py"), "--windows", "200", timeout=1_100.0)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("Wake word → command", "(vibration-small) → larger model (vibration-large)", "Assumed: "):
        assert part in done.stdout


def test_wrong_usage_is_told() -> None:
    done = run()
    assert done.returncode == 2
    assert "usage: demo-cascades" in done.stderr


def test_raw_windows_go_in_messages_of_at_most_1024_bytes() -> None:
    assert raw_windows(10, 128).bytes_out == 10 * (128 + COAP_BYTES)
    assert raw_windows(10, 1_025).datagrams_out == 20


def test_the_report_says_what_was_saved_and_what_that_assumes() -> None:
    words = WakeWordFigures(100, 5, 5, 4, 1_000, 4_000, 50, 1_000, 0.001, 0.004)
    gateway = GatewayFigures(("small", "large"), 100, 5, 6, 5, 5, 600, 6_000, 0.002, 0.008)
    text = report(words, gateway, load_radio("ieee802154"))
    assert "(75.0 % less)" in text
    assert "sent 50 B; raw windows 1,000 B (95.0 % less)" in text
    assert "6 passed on, 5 of the anomalies among them; 5 confirmed by the gateway" in text
    assert "TI CC2650" in text
