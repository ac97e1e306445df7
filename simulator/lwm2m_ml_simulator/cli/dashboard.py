"""The live view of a fleet: a table by kind, and what happened to the devices."""

import time
from collections.abc import Sequence
from dataclasses import fields
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lwm2m_ml_simulator.cli.figures import DeploymentCost, KindFigures, figures
from lwm2m_ml_simulator.cli.output import cell, console
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

_REFRESHES = 4
_HEADINGS = {
    "datagrams_out": "sent",
    "datagrams_in": "heard",
    "bytes_out": "B sent",
    "bytes_in": "B heard",
    "missed": "missed asleep",
    "modules": "with module",
    "joules": "J/device",
}


class Dashboard:
    """Shows a fleet while it runs, where there is a terminal; `print` shows how it ended in any case.

    The view is drawn by a thread of its own, so that it moves in virtual time too; it only reads what it draws.
    """

    def __init__(self, runner: FleetRunner, *, virtual: bool, shown: bool) -> None:
        self.console = console()
        self.elapsed = 0.0
        self._runner = runner
        self._virtual = virtual
        self._began = _real_seconds()
        self._live: Live | None = None
        if shown and self.console.is_terminal:
            self._live = Live(get_renderable=self.view, console=self.console, refresh_per_second=_REFRESHES)

    def view(self) -> RenderableType:
        """Return the view of this moment."""
        return Group(self._head(), table(figures(self._runner, self.elapsed)), *self._events())

    def print(self) -> None:
        """Print the view of this moment once."""
        if self._live is None:
            self.console.print(self.view())

    def print_deployment(self, costs: Sequence[DeploymentCost]) -> None:
        """Print what a deployment took, where one came to its end."""
        for cost in costs:
            states = ", ".join(f"{count:,} {state}" for state, count in cost.states.items())
            joules = ", ".join(f"{kind} {spent:,.2f} J" for kind, spent in cost.joules.items())
            spent = f"; each device spent meanwhile: {joules}" if joules else ""
            self.console.print(Text(f"deployment: {states} after {duration(cost.seconds)}{spent}"))

    def _head(self) -> Text:
        fleet = self._runner.fleet
        registered = f"{self._runner.registered:,} of {fleet.size:,} registered"
        spent = _real_seconds() - self._began
        when = f"{duration(self.elapsed)} of virtual time in {duration(spent)}" if self._virtual else duration(spent)
        return Text(f"{fleet.name}: {registered}, {when}", style="bold")

    def _events(self) -> list[Text]:
        tally = self._runner.director.tally
        executed = self._runner.pool.outcomes
        lines = []
        if tally:
            lines.append(Text("events: " + ", ".join(f"{count:,} × {action}" for action, count in tally.items())))
        if executed.taken_over:
            lines.append(
                Text(
                    f"inferences by sampling: {executed.executed:,} executed, "
                    f"{executed.taken_over:,} taken over from equal ones"
                )
            )
        return lines

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def table(rows: list[KindFigures]) -> Table:
    """Return one row for each kind; columns in which nothing ever happened are left out."""
    shown = [
        item.name
        for item in fields(KindFigures)
        if item.name in {"kind", "devices", "registered"} or any(getattr(row, item.name) for row in rows)
    ]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in shown:
        drawn.add_column(_HEADINGS.get(name, name), justify="left" if name == "kind" else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(cell(getattr(row, name)) for name in shown))
    return drawn


def duration(seconds: float) -> str:
    """Return a time span as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s"


def _real_seconds() -> float:
    """The clock that virtual time leaves alone."""
    return time.perf_counter()
