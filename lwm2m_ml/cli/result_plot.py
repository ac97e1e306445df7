"""Draws results hour by hour: how many of which class, and how long an inference took."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwm2m_ml.client.schemas.monitoring import ClassHour
from lwm2m_ml.errors import MissingExtraError, UsageError

SUFFIXES = frozenset({".png", ".svg"})
WIDTH_DAYS = 1 / 26
"""Width of a bar: a little less than an hour."""


def draw_results(title: str, results: Sequence[ClassHour], path: Path) -> None:
    """Write a picture, PNG or SVG by the name of the file. Raises `UsageError` and `MissingExtraError`."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} has no name of a picture", hint="Name it .png or .svg")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "draw") from error
    figure = Figure(figsize=(9.0, 5.5), layout="constrained")
    counts, latencies = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_counts(counts, results)
    _draw_latencies(latencies, results)
    figure.suptitle(title)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror or error})") from error


def _draw_counts(axes: Any, results: Sequence[ClassHour]) -> None:
    counts: dict[tuple[int, int], int] = {}
    for one in results:
        counts[one.hour, one.class_index] = counts.get((one.hour, one.class_index), 0) + one.results
    hours = sorted({hour for hour, _ in counts})
    bottom = [0] * len(hours)
    for number in sorted({number for _, number in counts}):
        heights = [counts.get((hour, number), 0) for hour in hours]
        label = "no decision" if number < 0 else f"class {number}"
        axes.bar([_time(hour) for hour in hours], heights, WIDTH_DAYS, bottom=bottom, label=label)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel("results in an hour")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")


def _draw_latencies(axes: Any, results: Sequence[ClassHour]) -> None:
    sums: dict[str, dict[int, tuple[float, int]]] = {}
    for one in results:
        if one.latency is not None:
            of_model = sums.setdefault(f"{one.model} {one.version}".strip() or "unknown model", {})
            total, count = of_model.get(one.hour, (0.0, 0))
            of_model[one.hour] = (total + one.latency * one.results, count + one.results)
    for name, by_hour in sorted(sums.items()):
        hours = sorted(by_hour)
        means = [by_hour[hour][0] / by_hour[hour][1] for hour in hours]
        axes.plot([_time(hour) for hour in hours], means, "o-", label=name)
    axes.set_ylabel("mean latency, ms")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=30)
    if sums:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")


def _time(hour: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(hour)
