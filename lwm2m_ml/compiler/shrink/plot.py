"""The Pareto front as a picture: accuracy over flash, one panel for each target."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwm2m_ml.compiler.shrink.variant import Variant, front
from lwm2m_ml.errors import MissingExtraError

_MARKS = {"int8": "o", "int4": "s", "float32": "^", "int16x8": "D"}
_COLOURS = {"int8": "#1f77b4", "int4": "#d95f02", "float32": "#4d4d4d", "int16x8": "#7570b3"}
_PANEL_INCHES = (7.0, 4.5)
_KIBIBYTE = 1024


def draw_front(variants: Sequence[Variant], targets: Sequence[str], whole: str, folder: Path) -> tuple[Path, ...]:
    """Write pareto.png and pareto.svg; `whole` names the variant that the others are made of."""
    try:
        import matplotlib  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("matplotlib, which draws the Pareto front,", "draw") from None
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(targets), height), layout="constrained")
    panels: Any = figure.subplots(1, len(targets), squeeze=False)[0]
    for panel, target in zip(panels, targets, strict=True):
        _draw(panel, list(variants), target, whole)
    paths = (folder / "pareto.png", folder / "pareto.svg")
    # Without salt and date the same variants would give another file each time.
    with matplotlib.rc_context({"svg.hashsalt": "lwm2m-ml"}):
        figure.savefig(paths[0], dpi=120)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _draw(panel: Any, variants: list[Variant], target: str, whole: str) -> None:
    for precision in dict.fromkeys(variant.precision for variant in variants):
        own = [variant for variant in variants if variant.precision == precision]
        panel.scatter(
            [_flash(variant, target) for variant in own],
            [variant.accuracy for variant in own],
            marker=_MARKS[precision],
            color=_COLOURS[precision],
            label=precision,
            zorder=3,
        )
    best = front(variants, target)
    panel.step(
        [_flash(variant, target) for variant in best],
        [variant.accuracy for variant in best],
        where="post",
        color="#999999",
        label="Pareto front",
        zorder=2,
    )
    for number, variant in enumerate(best):
        _name(panel, variant, target, above=bool(number % 2))
    given = next(variant for variant in variants if variant.name == whole)
    if given not in best:
        _name(panel, given, target, above=True)
    panel.axvline(_flash(given, target) / 2, color="#cccccc", linestyle=":", label="half the flash", zorder=1)
    panel.set(title=target, xlabel="flash, KiB", ylabel="accuracy on unseen samples, %")
    panel.margins(0.2, 0.18)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, loc="lower right")


def _name(panel: Any, variant: Variant, target: str, *, above: bool) -> None:
    panel.annotate(
        f"{variant.width} % {variant.precision}" if variant.width.isdigit() else f"{variant.width} {variant.precision}",
        (_flash(variant, target), variant.accuracy),
        xytext=(7, 5 if above else -11),
        textcoords="offset points",
        ha="left",
        fontsize=8,
    )


def _flash(variant: Variant, target: str) -> float:
    return variant.targets[target].flash_bytes / _KIBIBYTE
