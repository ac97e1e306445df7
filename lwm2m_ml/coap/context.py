"""aiocoap's way in: a `Context` whose only request interface is our endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiocoap
from aiocoap import interfaces
from aiocoap.pipe import error_to_message

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.remote import Remote

if TYPE_CHECKING:
    from aiocoap.pipe import Pipe

    from lwm2m_ml.coap.endpoint import CoapEndpoint
    from lwm2m_ml.coap.notification import Notification


class EndpointContext(aiocoap.Context):  # type: ignore[misc]
    """A context whose rendering tasks have no elaborate names, and may be cancelled before they begin."""

    def render_to_pipe(self, pipe: Pipe) -> None:
        """Let the site answer; the task ends when nobody is interested any more."""
        task = self.loop.create_task(self._render(pipe, error_to_message(pipe, self.log)))
        pipe.on_interest_end(task.cancel)

    async def _render(self, pipe: Pipe, errors: Pipe) -> None:
        try:
            await self._render_to_pipe(pipe)
        except Exception as error:
            errors.add_exception(error)


class EndpointInterface(interfaces.RequestInterface):  # type: ignore[misc]
    """Requests that aiocoap users make leave through the endpoint.

    Block-wise transfers happen below this interface; aiocoap's own see messages that need none, because remotes
    tell a large `maximum_payload_size`.
    """

    def __init__(self, endpoint: CoapEndpoint) -> None:
        self._endpoint = endpoint
        self._tasks: set[asyncio.Task[None]] = set()

    async def recognize_remote(self, message: aiocoap.Message) -> bool:
        """Whether the remote is one of ours (the name in aiocoap after 0.4.17)."""
        return isinstance(message.remote, Remote) and self._endpoint.owns(message.remote)

    async def determine_remote(self, message: aiocoap.Message) -> Remote | None:
        """The remote of a URI whose scheme we serve (the name in aiocoap after 0.4.17)."""
        return await self._endpoint.find_remote(message)

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        """Both of the above (aiocoap up to 0.4.17)."""
        if await self.recognize_remote(message):
            return True
        remote = await self.determine_remote(message)
        if remote is None:
            return False
        message.remote = remote
        return True

    def request(self, request: Pipe) -> None:
        """Carry out a request; its responses go into the pipe."""
        task = asyncio.get_running_loop().create_task(self._carry_out(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        request.on_interest_end(task.cancel)

    async def _carry_out(self, pipe: Pipe) -> None:
        message = pipe.request
        try:
            if message.opt.observe == 0:
                await self._observe(pipe)
            else:
                pipe.add_response(await self._endpoint.request(message), is_last=True)
        except CoapError as error:
            pipe.add_exception(error)

    async def _observe(self, pipe: Pipe) -> None:
        ended = asyncio.get_running_loop().create_future()

        def on_notification(notification: Notification) -> None:
            response = notification.message()
            goes_on = response.opt.observe is not None and int(response.code) < numbers.CONTINUE
            pipe.add_response(response, is_last=not goes_on)
            if not goes_on and not ended.done():
                ended.set_result(None)

        observation = await self._endpoint.observe(pipe.request, on_notification)
        try:
            pipe.add_response(observation.response, is_last=not observation.active)
            if observation.active:
                await ended
        finally:
            observation.forget()

    async def shutdown(self) -> None:
        """Close the endpoint, as aiocoap's `Context.shutdown` expects."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._endpoint.close()
