"""Traces of the API's requests with OpenTelemetry, sent over OTLP/HTTP. Needs the extra `otel`."""

from collections.abc import Callable

from fastapi import FastAPI

from lwm2m_ml import __version__
from lwm2m_ml.errors import MissingExtraError


def add_tracing(api: FastAPI, endpoint: str) -> Callable[[], None]:
    """Have every request traced where there is an endpoint for it; what is returned sends the last ones at the end.

    Raises MissingExtraError when OpenTelemetry is not installed.
    """
    if not endpoint:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError("OpenTelemetry", "otel") from error
    resource = Resource.create({"service.name": "lwm2m-ml", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    # Bodies travel in many messages; a span for each of them would say nothing.
    api.add_middleware(OpenTelemetryMiddleware, tracer_provider=provider, exclude_spans=["receive", "send"])
    return provider.shutdown
