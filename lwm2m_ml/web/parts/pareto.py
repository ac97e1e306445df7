"""Variants of a model by cost and accuracy, and those among them that no other one beats in both."""

from lwm2m_ml.client.schemas import Model
from lwm2m_ml.web.parts.colours import GREY

Point = tuple[int, float, str]
"""Cost, accuracy in percent, name."""


def points_of(model: Model) -> list[Point]:
    """The measured variants, the cheapest first; the cost is multiply-accumulates where all tell them, else weights."""
    by_macs = costs_macs(model)
    return sorted(
        (variant.macs if by_macs else variant.weights, variant.accuracy, variant.name)
        for variant in model.variants
        if variant.accuracy is not None
    )


def costs_macs(model: Model) -> bool:
    """Whether every variant tells its multiply-accumulates."""
    return all(variant.macs for variant in model.variants)


def front_of(points: list[Point]) -> list[Point]:
    """The Pareto front of points ordered by cost."""
    front: list[Point] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def pareto_options(model: Model) -> dict[str, object]:
    """The plot: all variants, and a line through the front."""
    points = points_of(model)
    label = {"show": True, "formatter": "{b}", "position": "right", "distance": 8, "color": GREY}
    cost = "MACs" if costs_macs(model) else "weights"
    return {
        "xAxis": {"type": "value", "name": cost, "splitNumber": 4},
        "yAxis": {"type": "value", "name": "accuracy in %", "scale": True},
        "grid": {"left": 16, "right": 96, "top": 48, "bottom": 12, "containLabel": True},
        "series": [
            {"type": "line", "data": [[cost, accuracy] for cost, accuracy, _ in front_of(points)], "symbol": "none"},
            {
                "type": "scatter",
                "symbolSize": 13,
                "itemStyle": {"opacity": 1},
                "data": [{"name": name, "value": [cost, accuracy]} for cost, accuracy, name in points],
                "label": label,
            },
        ],
    }
