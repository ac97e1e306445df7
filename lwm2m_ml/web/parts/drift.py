"""What an alarm about drift saw, as a plot: the shares that the model was made for, beside those that came."""

from lwm2m_ml.client.schemas.monitoring import Alarm

CLASS_MIX = "class mix"


def drift_options(alarm: Alarm) -> dict[str, object] | None:
    """The plot of an alarm; None for one that tells no shares."""
    expected, seen = alarm.figures.get("expected"), alarm.figures.get("seen")
    if not isinstance(expected, list) or not isinstance(seen, list) or not expected:
        return None
    what = "class" if alarm.feature == CLASS_MIX else "range"
    return {
        "xAxis": {"type": "category", "data": [str(index) for index in range(len(expected))], "name": what},
        "yAxis": {"type": "value", "name": "% of inputs"},
        "legend": {},
        "series": [
            {"name": "expected", "type": "bar", "data": [round(100 * share, 2) for share in expected]},
            {"name": "seen", "type": "bar", "data": [round(100 * share, 2) for share in seen]},
        ],
    }
