"""Keeps a client registered: Register, Update in time, and Register again when the server has forgotten it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import structlog
from aiocoap import Code, Message

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.registration import RegistrationParameters, UpdateParameters, format_registration, format_update
from lwm2m_ml.lwm2m.versions import SUPPORTED_VERSIONS, Version
from lwm2m_ml_simulator.client.connection import ServerConnection

_log = structlog.get_logger(__name__)
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
# An Update may need all retransmissions of a confirmable message (RFC 7252 §4.8.2, MAX_TRANSMIT_WAIT).
_MARGIN = 93.0
_DEREGISTER_PATIENCE = 2.0
_HOPELESS = 3
# Who asked for Disable gets its answer before the client leaves.
_ANSWER_FIRST = 0.05


class Registration:
    """One client's registration at one server (Core TS §6.2).

    `parameters(version)` tells what to register with. `on_change` is called when the server begins or ceases to know
    the client, `on_hopeless` when it could not be reached several times in a row.
    """

    def __init__(
        self,
        server: ServerConnection,
        parameters: Callable[[str], RegistrationParameters],
        *,
        version: str,
        on_change: Callable[[], None],
        on_hopeless: Callable[[], None] = lambda: None,
    ) -> None:
        self.server = server
        self.version = version
        self._best = version
        self._parameters = parameters
        self._on_change = on_change
        self._on_hopeless = on_hopeless
        self._told: RegistrationParameters | None = None
        self._location: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()
        self._disabled_for: float | None = None
        self._log = _log.bind(endpoint=parameters(version).endpoint)

    @property
    def is_registered(self) -> bool:
        """Whether the server knows the client."""
        return self._told is not None

    async def answered(self) -> bool:
        """Wait for a registration that is under way; returns whether the server knows the client then."""
        await self._answered.wait()
        return self.is_registered

    async def keep(self) -> None:
        """Register and stay registered, for ever."""
        pause, failures = _FIRST_PAUSE, 0
        while True:
            if self._told is None:
                if not await self._register():
                    failures += 1
                    if failures >= _HOPELESS:
                        self._on_hopeless()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                pause, failures = _FIRST_PAUSE, 0
            await self._wait()
            if self._disabled_for is not None:
                await self._rest()
            await self._update()

    def disable(self, seconds: float) -> None:
        """Leave the server soon, and come back after `seconds` (/1/x/4)."""
        self._disabled_for = seconds
        self._wake.set()

    def request_update(self) -> None:
        """Send an Update at the next opportunity."""
        self._wake.set()

    def forget(self) -> None:
        """The server said that it does not know this client: register again."""
        self._lost()
        self._wake.set()

    async def remove(self) -> None:
        """Tell the server that the client leaves; silence is an answer too."""
        if self._told is None:
            return
        self._lost()
        with contextlib.suppress(Lwm2mMlError):
            message = Message(code=Code.DELETE, uri_path=self._location)
            await self.server.request(message, patience=_DEREGISTER_PATIENCE)

    async def _rest(self) -> None:
        """Be away as long as Disable asked for."""
        seconds, self._disabled_for = self._disabled_for, None
        await asyncio.sleep(_ANSWER_FIRST)
        await self.remove()
        await asyncio.sleep(seconds or 0.0)

    def _lost(self) -> None:
        self._told = None
        self._on_change()

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
        """Register; whoever wants to send meanwhile waits for the answer."""
        self._answered.clear()
        try:
            return await self._try_versions()
        finally:
            self._answered.set()

    async def _try_versions(self) -> bool:
        """Register with the highest version that the server speaks too."""
        for version in self._versions():
            self.version = str(version)
            try:
                response = await self._try_version()
            except Lwm2mMlError as error:
                self._log.warning("registration_unanswered", reason=str(error))
                return False
            if response.code is Code.CREATED:
                self._on_change()
                self._log.info("registered", version=self.version)
                return True
            self._log.warning("registration_refused", version=self.version, code=str(response.code))
            if response.code is not Code.PRECONDITION_FAILED:  # §6.2.1: only 4.12 asks for another version.
                return False
        return False

    def _versions(self) -> list[Version]:
        best = Version.parse(self._best)
        return sorted((version for version in SUPPORTED_VERSIONS if version <= best), reverse=True)

    async def _try_version(self) -> Message:
        parameters = self._parameters(self.version)
        query, payload = format_registration(parameters)
        message = Message(
            code=Code.POST,
            uri_path=("rd",),
            uri_query=query,
            payload=payload,
            content_format=int(ContentFormat.LINK),
        )
        response = await self.server.request(message)
        if response.code is Code.CREATED:
            self._told, self._location = parameters, tuple(response.opt.location_path)
        return response

    async def _update(self) -> None:
        told, now = self._told, self._parameters(self.version)
        if told is None:
            return
        changes = UpdateParameters(
            lifetime=now.lifetime if now.lifetime != told.lifetime else None,
            binding=now.binding if now.binding != told.binding else None,
            objects=now.objects if now.objects != told.objects else None,
        )
        query, payload = format_update(changes, told)
        message = Message(code=Code.POST, uri_path=self._location, uri_query=query, payload=payload)
        if payload:
            message.opt.content_format = int(ContentFormat.LINK)
        try:
            response = await self.server.request(message)
        except Lwm2mMlError as error:
            self._log.warning("update_unanswered", reason=str(error))
            self.forget()
            return
        if response.code.is_successful():
            self._told = replace(told, lifetime=now.lifetime, binding=now.binding, objects=now.objects)
        else:  # §6.2.2: an Update that the server does not accept is followed by a Register.
            self.forget()
