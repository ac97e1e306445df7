"""Send: data that devices report of their own accord (OMA-TS-LightweightM2M_Core-V1_2 §6.4.6)."""

import time
from collections.abc import Callable

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.numbers import POST
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.send import URI_PATH, SendError, parse_send
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry

log = structlog.get_logger(__name__)


class Sends:
    """Takes what registered devices send and passes it on."""

    def __init__(
        self, registry: Registry, catalogues: Catalogues, bus: Bus, *, on_heard: Callable[[Registration], None]
    ) -> None:
        self._registry = registry
        self._catalogues = catalogues
        self._bus = bus
        self._on_heard = on_heard

    def add_to(self, handlers: FastHandlers) -> None:
        """Answer requests to /dp through an endpoint's table."""
        handlers.add(POST, *URI_PATH, self._post)

    def _post(self, request: FastRequest) -> FastResponse:
        registration = self._registry.of(request.remote)
        if registration is None or len(request.path) != 1:
            log.info("send refused", remote=request.remote.hostinfo, reason="not registered from this address")
            return FastResponse(ResponseCode.NOT_FOUND)
        try:
            records = parse_send(request.payload, request.content_format, self._catalogues.of(registration.parameters))
        except SendError as error:
            log.warning("send refused", endpoint=registration.endpoint, reason=str(error))
            return FastResponse(error.code, error.message.encode())
        self._on_heard(registration)
        self._bus.publish(DataSent(registration.endpoint, records, time.time()))
        return FastResponse(ResponseCode.CHANGED)
