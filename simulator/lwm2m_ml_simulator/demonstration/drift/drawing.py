"""Draws the accuracy over the time of the story, with what happened."""

from pathlib import Path

from lwm2m_ml_simulator.demonstration.drift.timeline import Timeline, share

SMOOTHED = 3
"""Tallies that one point of the curve is made of."""


def draw(timeline: Timeline, path: Path) -> None:
    """Write a picture, PNG or SVG by the name of the file."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second of import, for who wants a picture

    figure = Figure(figsize=(10.0, 4.5), layout="constrained")
    axes = figure.subplots()
    tallies = timeline.tallies
    points = [
        (tallies[place].at, 100 * found)
        for place in range(len(tallies))
        if (found := share(tallies[max(0, place - SMOOTHED + 1) : place + 1])) is not None
    ]
    axes.plot([at for at, _ in points], [percent for _, percent in points], color="tab:blue")
    for number, moment in enumerate(timeline.moments, start=1):
        axes.axvline(moment.at, color="tab:gray", linewidth=1, linestyle=":")
        height = 101.0 + 4.0 * (number % 2)  # two moments close together are told apart
        axes.annotate(str(number), (moment.at, height), ha="center", annotation_clip=False)
    axes.set_ylim(0, 100)
    axes.set_xlabel("seconds")
    axes.set_ylabel("results that were right, %")
    legend = "\n".join(f"{number}  {moment.what[:110]}" for number, moment in enumerate(timeline.moments, start=1))
    axes.text(0.01, 0.03, legend, transform=axes.transAxes, fontsize="x-small", va="bottom")
    figure.savefig(path, dpi=120)
