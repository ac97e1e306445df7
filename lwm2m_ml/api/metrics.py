"""Figures for Prometheus: requests of the API, counted as they come, and the service's own, taken when asked for."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from lwm2m_ml.service.figures import Figures

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class ApiMetrics:
    """Requests by route: how many, how they ended and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "lwm2m_ml_api_requests", "Requests of the operator's API", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "lwm2m_ml_api_request_seconds",
            "Time from a request of the operator's API to the end of its answer",
            ("method", "route"),
            buckets=LATENCIES,
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class ServiceCollector(Collector):
    """The service's figures as they are at the moment of a scrape."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Take the figures."""
        now = self._figures()
        yield _gauge("devices", "Registered devices", now.devices)
        yield _gauge("requests_waiting", "Operations that wait for sleeping devices", now.requests_waiting)
        yield _gauge("writes_waiting", "Writes that wait for the database", now.writes_waiting)
        yield _gauge("database_failing", "Whether the database takes no writes (1)", now.database_failing)
        yield _gauge("jobs_running", "Jobs under way", now.jobs_running)
        yield _gauge("event_followers", "Connections that follow the events", now.followers)
        yield _by("campaigns", "Campaigns that are not over by state", "state", now.campaigns, gauge=True)
        yield _gauge("alarms_open", "Alarms that are not over", now.alarms_open)
        yield _by("session_bytes", "Bytes of CoAP of registered devices", "direction", now.sessions_bytes, gauge=True)
        yield _by_two("coap_bytes", "Bytes of CoAP by transport", ("scheme", "direction"), now.traffic)
        yield _by("events", "Events by type", "type", now.events)
        yield _by("campaign_steps", "Steps of devices in campaigns by new state", "state", now.campaign_steps)
        yield _by("results_dropped", "Inference results that were dropped as absurd", "reason", now.results_dropped)
        yield CounterMetricFamily(
            "lwm2m_ml_result_messages_put_off",
            "Messages of devices that sent results too often",
            now.result_messages_put_off,
        )
        yield CounterMetricFamily(
            "lwm2m_ml_delivered_bytes", "Bytes on the wire of modules that became active", now.delivered_bytes
        )
        yield SummaryMetricFamily(
            "lwm2m_ml_compilation_seconds",
            "Time to compile, measure and prove a module",
            now.compilations,
            now.compilation_seconds,
        )
        yield from _operations(now)


def registry_of(figures: Callable[[], Figures]) -> CollectorRegistry:
    """A registry of a service's figures and those of its process."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(ServiceCollector(figures))
    return registry


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"lwm2m_ml_{name}", text, value)


def _by(name: str, text: str, label: str, values: Mapping[str, int], *, gauge: bool = False) -> Metric:
    kind = GaugeMetricFamily if gauge else CounterMetricFamily
    family = kind(f"lwm2m_ml_{name}", text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _by_two(name: str, text: str, labels: tuple[str, str], values: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(f"lwm2m_ml_{name}", text, labels=labels)
    for keys, value in values.items():
        family.add_metric(keys, value)
    return family


def _operations(now: Figures) -> Iterable[Metric]:
    labels = ("operation", "outcome")
    count = _by_two("device_operations", "LwM2M operations on devices by outcome", labels, now.operations)
    taken: dict[str, int] = {}
    for (operation, _), number in now.operations.items():
        taken[operation] = taken.get(operation, 0) + number
    seconds = SummaryMetricFamily(
        "lwm2m_ml_device_operation_seconds", "Time from an operation to its answer or end", labels=("operation",)
    )
    for operation, total in now.operation_seconds.items():
        seconds.add_metric((operation,), taken[operation], total)
    return count, seconds
