"""Keeps a client registered: Register, Update in time, and Register again when the server has forgotten it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import structlog
from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.registration import RegistrationParameters, UpdateParameters, format_registration, format_update

_log = structlog.get_logger(__name__)
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
# An Update may need all retransmissions of a confirmable message (RFC 7252 §4.8.2, MAX_TRANSMIT_WAIT).
_MARGIN = 93.0
_DEREGISTER_PATIENCE = 2.0


class Registration:
    """One client's registration at one server (Core TS §6.2)."""

    def __init__(
        self,
        coap: CoapEndpoint,
        server: tuple[str, int],
        parameters: Callable[[], RegistrationParameters],
        registered: asyncio.Event,
    ) -> None:
        self._coap = coap
        self._server = server
        self._parameters = parameters
        self._registered = registered
        self._told: RegistrationParameters | None = None
        self._location: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        self._log = _log.bind(endpoint=parameters().endpoint)

    async def keep(self) -> None:
        """Register and stay registered, for ever."""
        pause = _FIRST_PAUSE
        while True:
            if self._told is None:
                if not await self._register():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                pause = _FIRST_PAUSE
            await self._wait()
            await self._update()

    def request_update(self) -> None:
        """Send an Update at the next opportunity."""
        self._wake.set()

    def forget(self) -> None:
        """The server said that it does not know this client: register again."""
        self._told = None
        self._registered.clear()
        self._wake.set()

    async def remove(self) -> None:
        """Tell the server that the client leaves; silence is an answer too."""
        if self._told is None:
            return
        self._told = None
        with contextlib.suppress(Lwm2mMlError):
            await self._ask(Message(code=Code.DELETE, uri_path=self._location), patience=_DEREGISTER_PATIENCE)

    async def _wait(self) -> None:
        """Wait until the lifetime nears its end, or somebody asks for an Update."""
        told = self._told
        if told is None:
            return
        seconds = max(told.lifetime / 2, told.lifetime - _MARGIN) if told.lifetime else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _register(self) -> bool:
        parameters = self._parameters()
        query, payload = format_registration(parameters)
        message = Message(
            code=Code.POST,
            uri_path=("rd",),
            uri_query=query,
            payload=payload,
            content_format=int(ContentFormat.LINK),
        )
        try:
            response = await self._ask(message)
        except Lwm2mMlError as error:
            self._log.warning("registration_unanswered", reason=str(error))
            return False
        if response.code is not Code.CREATED:
            self._log.warning("registration_refused", code=str(response.code))
            return False
        self._told, self._location = parameters, tuple(response.opt.location_path)
        self._registered.set()
        self._log.info("registered", port=self._coap.local_address[1])
        return True

    async def _update(self) -> None:
        told, now = self._told, self._parameters()
        if told is None:
            return
        changes = UpdateParameters(
            lifetime=now.lifetime if now.lifetime != told.lifetime else None,
            objects=now.objects if now.objects != told.objects else None,
        )
        query, payload = format_update(changes, told)
        message = Message(code=Code.POST, uri_path=self._location, uri_query=query, payload=payload)
        if payload:
            message.opt.content_format = int(ContentFormat.LINK)
        try:
            response = await self._ask(message)
        except Lwm2mMlError as error:
            self._log.warning("update_unanswered", reason=str(error))
            self.forget()
            return
        if response.code.is_successful():
            self._told = replace(told, lifetime=now.lifetime, objects=now.objects)
        else:  # §6.2.2: an Update that the server does not accept is followed by a Register.
            self.forget()

    async def _ask(self, message: Message, patience: float | None = None) -> Message:
        message.remote = self._coap.remote(*self._server)
        return await self._coap.request(message, timeout=patience)
