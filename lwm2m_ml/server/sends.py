"""Send: data that devices report of their own accord (OMA-TS-LightweightM2M_Core-V1_2 §6.4.6)."""

import time
from collections.abc import Callable

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.fast import FastAnswer, FastRequest, FastResponse, HandlerTable
from lwm2m_ml.coap.numbers import POST
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.send import URI_PATH, SendError, parse_send
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.commit import answer_after
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.server.keepers import Keepers
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.store.errors import StoreError

CHANGED = FastResponse(ResponseCode.CHANGED)

log = structlog.get_logger(__name__)


class Sends:
    """Takes what registered devices send and passes it on; a device is thanked when everything kept is on disk."""

    def __init__(
        self,
        speaker: Callable[[Remote], Registration | None],
        catalogues: Catalogues,
        bus: Bus,
        *,
        keepers: Keepers,
        retry_after: int,
        on_heard: Callable[[Registration], None],
    ) -> None:
        """`speaker` tells which device a peer speaks for."""
        self._speaker = speaker
        self._catalogues = catalogues
        self._bus = bus
        self._retry_after = retry_after
        self._on_heard = on_heard
        self._keepers = keepers

    def add_to(self, handlers: HandlerTable) -> None:
        """Answer requests to /dp through an endpoint's table."""
        handlers.add(POST, *URI_PATH, self._post)

    def _post(self, request: FastRequest) -> FastAnswer:
        registration = self._speaker(request.remote)
        if registration is None or len(request.path) != 1:
            log.info("send refused", remote=request.remote.hostinfo, reason="not registered from this address")
            return FastResponse(ResponseCode.NOT_FOUND)
        try:
            records = parse_send(request.payload, request.content_format, self._catalogues.of(registration.parameters))
        except SendError as error:
            log.warning("send refused", endpoint=registration.endpoint, reason=str(error))
            return FastResponse(error.code, error.message.encode())
        self._on_heard(registration)
        event = DataSent(registration.endpoint, records, time.time())
        try:
            commit = self._keepers.keep(event)
        except StoreError as error:
            log.error("send put off", endpoint=registration.endpoint, reason=str(error))
            return FastResponse(ResponseCode.SERVICE_UNAVAILABLE, max_age=self._retry_after)
        if commit is None:
            self._bus.publish(event)
            return CHANGED
        return answer_after(commit, CHANGED, lambda: self._bus.publish(event), self._retry_after)
