"""The running service, as routes get it."""

from typing import Annotated

from fastapi import Depends, Request

from lwm2m_ml.service.service import TinyMLService


def running_service(request: Request) -> TinyMLService:
    """The service that this API was put in front of."""
    service: TinyMLService = request.app.state.service
    return service


Service = Annotated[TinyMLService, Depends(running_service)]
