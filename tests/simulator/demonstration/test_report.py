"""The report shows every device and is only content with what was promised."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from lwm2m_ml_simulator.demonstration.report import DeviceReport, as_json, as_table, is_as_promised, reasons

ACTIVE = DeviceReport(
    "node-1", "cortex-m4f", "digits-large", 41_000, 9_000, 1_234_567, 42_000, 1.5, 100, 98, 98, True, "active", ""
)
REFUSED = DeviceReport(
    "node-2", "cortex-m0plus", None, None, None, None, None, None, 0, 0, 0, None, "refused", "needs 2 B, 1 B free"
)


def test_active_and_exact_or_refused_with_a_reason_is_as_promised() -> None:
    assert is_as_promised(ACTIVE, images=100)
    assert is_as_promised(REFUSED, images=100)


@pytest.mark.parametrize(
    "report",
    [
        replace(ACTIVE, bit_exact=False),
        replace(ACTIVE, shown=99),
        replace(ACTIVE, state="failed"),
        replace(ACTIVE, state="trial"),
        replace(REFUSED, reason=""),
    ],
)
def test_anything_else_is_not(report: DeviceReport) -> None:
    assert not is_as_promised(report, images=100)


def test_json_has_the_documented_members() -> None:
    document = json.loads(json.dumps(as_json([ACTIVE], 12.3456)))
    assert document["seconds"] == 12.35
    assert set(document["devices"][0]) == {
        "endpoint", "target", "variant", "module_bytes", "ram_bytes", "instructions", "ota_bytes", "ota_seconds",
        "shown", "right", "reference_right", "bit_exact", "state", "reason",
    }  # fmt: skip


def test_the_table_names_every_device_and_figure() -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(as_table([ACTIVE, REFUSED]))
    shown = capture.get()
    for text in ("node-1", "41,000", "1,234,567", "98 / 100", "node-2", "refused"):
        assert text in shown


def test_reasons_are_sentences_of_the_devices_that_have_one() -> None:
    assert reasons([ACTIVE, REFUSED]) == ["node-2: needs 2 B, 1 B free"]
