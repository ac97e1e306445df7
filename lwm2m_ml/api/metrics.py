"""Figures for Prometheus about the API itself."""

from prometheus_client import CollectorRegistry, Counter, Histogram

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
