"""The FastAPI application in front of a running service."""

from fastapi import APIRouter, FastAPI

from lwm2m_ml import __version__
from lwm2m_ml.api.description import describe
from lwm2m_ml.api.metrics import ApiMetrics, registry_of
from lwm2m_ml.api.middleware.audit import Audit
from lwm2m_ml.api.middleware.bodies import BodyLimits
from lwm2m_ml.api.middleware.callers import Callers
from lwm2m_ml.api.middleware.failures import UnforeseenErrors
from lwm2m_ml.api.middleware.idempotency import Idempotency
from lwm2m_ml.api.middleware.requests import RequestContext
from lwm2m_ml.api.problems import add_problem_handlers
from lwm2m_ml.api.routes import (
    alarms,
    audit,
    bootstrap,
    campaigns,
    captures,
    compilations,
    configurations,
    credentials,
    deployments,
    device_history,
    device_operations,
    devices,
    events,
    explanations,
    federated,
    firmware,
    fit,
    fleet,
    groups,
    health,
    inferences,
    jobs,
    metrics,
    models,
    modules,
    objects,
    packages,
    requests,
    results,
    targets,
    tokens,
    trust,
)
from lwm2m_ml.api.tracing import add_tracing
from lwm2m_ml.api.uploads import Uploads
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.config import Settings
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.access import AccessTokens
from lwm2m_ml.service.service import TinyMLService

ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router
    for module in (
        health,
        trust,
        fleet,
        devices,
        device_history,
        device_operations,
        inferences,
        requests,
        models,
        modules,
        compilations,
        explanations,
        targets,
        deployments,
        campaigns,
        federated,
        groups,
        fit,
        results,
        alarms,
        captures,
        configurations,
        firmware,
        jobs,
        events,
        objects,
        credentials,
        bootstrap,
        tokens,
        audit,
    )
)
"""Every route below the API's root."""

OTHER_ROUTERS: tuple[APIRouter, ...] = (packages.router, metrics.router)
"""What devices fetch, and what Prometheus does."""

UPLOAD_PATHS = (f"{API_ROOT}/models",)
"""Below these, bodies that are no JSON may be as large as an upload."""


def create_api(
    service: TinyMLService, access_tokens: AccessTokens, lwm2m_server: Lwm2mServer, settings: Settings
) -> FastAPI:
    """The API under `/api/v1`, its OpenAPI 3.1 description at `/openapi.json`."""
    api = FastAPI(
        title="lwm2m-ml", version=__version__, summary="TinyML as a Service over LwM2M", docs_url=None, redoc_url=None
    )
    registry = registry_of(service.meters.read)
    api.state.service = service
    api.state.access_tokens = access_tokens
    api.state.lwm2m_server = lwm2m_server
    api.state.metrics = registry
    api.state.uploads = Uploads(settings.data_directory)
    for router in ROUTERS:
        api.include_router(router, prefix=API_ROOT)
    for router in OTHER_ROUTERS:
        api.include_router(router)
    add_problem_handlers(api)
    describe(api)
    # The last one added is the first that a request meets.
    api.add_middleware(UnforeseenErrors)
    api.add_middleware(BodyLimits, settings.api_upload_limit, UPLOAD_PATHS)
    api.add_middleware(Idempotency, service.repeats)
    api.add_middleware(Audit, service.audit)
    api.add_middleware(Callers, access_tokens, settings.api_rate)
    api.add_middleware(RequestContext, ApiMetrics(registry))
    api.state.end_tracing = add_tracing(api, settings.trace_endpoint)
    return api
