"""`lwm2m-ml results` and `feedback`: what models answer in the field, and what they should have."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas.monitoring import ClassHour, ModelAccuracy

HOURS_OF_A_DAY = 24


def results(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device, by its endpoint client name, or a model.")],
    hours: Annotated[int, typer.Option(min=1, max=2_000, help="So many hours back.")] = HOURS_OF_A_DAY,
    since: Annotated[datetime.datetime | None, typer.Option(help="Those since then, in place of --hours.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw them, as .png or .svg.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what a device or a model answered, hour by hour, and how often it was right as far as feedback tells."""
    begin = since or datetime.datetime.now() - datetime.timedelta(hours=hours)
    with connect(server, token) as client:
        found, accuracy = _find(client, name, begin.timestamp())
    if not found:
        raise NotFoundError(f"{name} has no results since {begin:%Y-%m-%d %H:%M}")
    if plot is not None:
        from lwm2m_ml.cli.result_plot import draw_results

        draw_results(name, found, plot)
    if as_json:
        print_json(
            {
                "hours": [one.model_dump(mode="json") for one in found],
                "accuracy": [one.model_dump(mode="json") for one in accuracy],
            }
        )
        return
    columns = ("HOUR", "MODEL", "RESULTS", "LOST", "CLASSES", "CONFIDENCE %", "LATENCY ms", "LARGEST ms")
    print_table(columns, [_row(of_hour) for of_hour in _by_hour(found)])
    for one in accuracy:
        typer.echo(
            f"{one.model} {one.version}: {one.right} of {one.judged} right by feedback, {100 * one.share:.1f} %"
            f" (95 % confidence: {100 * one.low:.1f} to {100 * one.high:.1f} %)"
        )


def feedback(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint client name of the device.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=0, help="Number of the result.")],
    true_class: Annotated[str, typer.Argument(metavar="CLASS", help="The true class: its label, or its number.")],
    series: Annotated[
        int | None, typer.Option(min=0, help="The series of the number; without it the newest result is meant.")
    ] = None,
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what a result should have been."""
    with connect(server, token, dry_run=dry_run) as client:
        given = client.give_feedback(endpoint, number, true_class, series=series)
    if as_json:
        print_json(given.model_dump(mode="json"))
        return
    verdict = "right" if given.decided == given.true_class else "wrong"
    typer.echo(f"Result {given.number} of {given.endpoint} by {given.model} {given.version} was {verdict}")


def _find(client: "Client", name: str, since: float) -> "tuple[Sequence[ClassHour], Sequence[ModelAccuracy]]":
    """What a device answered; what a model did when no device of that name did anything."""
    found = client.result_hours(endpoint=name, since=since)
    if found:
        return found, client.accuracy(endpoint=name, since=since)
    return client.result_hours(model=name, since=since), client.accuracy(model=name, since=since)


def _by_hour(found: "Sequence[ClassHour]") -> "list[list[ClassHour]]":
    grouped: dict[tuple[int, str, str], list[ClassHour]] = {}
    for one in found:
        grouped.setdefault((one.hour, one.model, one.version), []).append(one)
    return list(grouped.values())


def _row(classes: "Sequence[ClassHour]") -> tuple[object, ...]:
    first = classes[0]
    return (
        f"{datetime.datetime.fromtimestamp(first.hour):%Y-%m-%d %H:00}",
        f"{first.model} {first.version}".strip() or None,
        sum(one.results for one in classes),
        sum(one.lost for one in classes),
        " ".join(f"{'none' if one.class_index < 0 else one.class_index}:{one.results}" for one in classes),
        _mean([(one.confidence, one.results) for one in classes]),
        _mean([(one.latency, one.results) for one in classes]),
        max((one.largest_latency for one in classes if one.largest_latency is not None), default=None),
    )


def _mean(weighted: "Sequence[tuple[float | None, int]]") -> float | None:
    known = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
