"""What the demonstration found out about each device, as a table and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich import box
from rich.table import Table
from rich.text import Text

STATE_STYLES = {"active": "green", "refused": "yellow"}


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device: sizes in bytes, instructions per inference, `right` of `shown` digits recognised.

    `reference_right` is what the compiler's integer reference gets right on the same images; `bit_exact` is true when
    the device's integer answers equal the reference's for every image shown, and None for a device without a module.
    """

    endpoint: str
    target: str
    variant: str | None
    module_bytes: int | None
    ram_bytes: int | None
    instructions: int | None
    ota_bytes: int | None
    ota_seconds: float | None
    shown: int
    right: int
    reference_right: int
    bit_exact: bool | None
    state: str
    reason: str


def is_as_promised(report: DeviceReport, *, images: int) -> bool:
    """Active with `images` answers all bit-exact, or refused with a reason."""
    if report.state == "refused":
        return bool(report.reason)
    return report.state == "active" and report.shown >= images and report.bit_exact is True


def as_json(reports: Sequence[DeviceReport], seconds: float) -> dict[str, object]:
    """The whole demonstration as one JSON object."""
    return {"devices": [asdict(report) for report in reports], "seconds": round(seconds, 2)}


def as_table(reports: Sequence[DeviceReport]) -> Table:
    """One row per device."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in ("device", "target", "variant"):
        table.add_column(heading, overflow="fold")
    for heading in ("module B", "RAM B", "instructions", "OTA B", "OTA s", "right / shown"):
        table.add_column(heading, justify="right", overflow="fold")
    for heading in ("bit-exact", "state"):
        table.add_column(heading, overflow="fold")
    for report in reports:
        table.add_row(*_cells(report))
    return table


def _cells(report: DeviceReport) -> Sequence[str | Text]:
    return (
        report.endpoint,
        report.target,
        report.variant or "–",
        _number(report.module_bytes),
        _number(report.ram_bytes),
        _number(report.instructions),
        _number(report.ota_bytes),
        "–" if report.ota_seconds is None else f"{report.ota_seconds:.2f}",
        f"{report.right} / {report.shown}" if report.shown else "–",
        {True: "yes", False: "NO", None: "–"}[report.bit_exact],
        Text(report.state, style=STATE_STYLES.get(report.state, "bold red")),
    )


def reasons(reports: Sequence[DeviceReport]) -> list[str]:
    """A sentence for every device that has something to explain."""
    return [f"{report.endpoint}: {report.reason}" for report in reports if report.reason]


def summary(reports: Sequence[DeviceReport], seconds: float) -> str:
    """The outcome in one sentence."""
    active = [report for report in reports if report.state == "active"]
    refused = sum(report.state == "refused" for report in reports)
    exact = sum(report.bit_exact is True for report in active)
    return (
        f"{len(active)} of {len(reports)} devices active, {refused} refused; {exact} of {len(active)} answered bit for "
        f"bit as the integer reference does; {seconds:.1f} s."
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
