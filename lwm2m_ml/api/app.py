"""The FastAPI application in front of a running service."""

from fastapi import FastAPI

from lwm2m_ml import __version__
from lwm2m_ml.api.problems import add_problem_handlers
from lwm2m_ml.api.routes import (
    bootstrap,
    credentials,
    deployments,
    device_operations,
    devices,
    health,
    models,
    packages,
    requests,
    trust,
)
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.access import AccessTokens
from lwm2m_ml.service.service import TinyMLService


def create_api(service: TinyMLService, access_tokens: AccessTokens, lwm2m_server: Lwm2mServer) -> FastAPI:
    """The API under `/api/v1`, its OpenAPI 3.1 description at `/openapi.json`."""
    api = FastAPI(title="lwm2m-ml", version=__version__, summary="TinyML as a Service over LwM2M", docs_url=None)
    api.state.service = service
    api.state.access_tokens = access_tokens
    api.state.lwm2m_server = lwm2m_server
    routes = (health, trust, devices, device_operations, requests, models, deployments, credentials, bootstrap)
    for router in (module.router for module in routes):
        api.include_router(router, prefix=API_ROOT)
    api.include_router(packages.router)
    add_problem_handlers(api)
    return api
