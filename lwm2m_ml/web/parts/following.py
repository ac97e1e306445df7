"""Streams on pages: followed for as long as somebody looks at the page."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar, cast

from nicegui import Client, background_tasks, ui

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.web.parts.telling import tell_failure

Item = TypeVar("Item")


def follow(
    stream: AsyncIterator[Item], heard: Callable[[Item], None], ended: Callable[[], None]
) -> "asyncio.Task[None]":
    """Hand the items of a stream on until it ends, the page is left or the task is cancelled; failures are told."""
    client = ui.context.client

    async def run() -> None:
        try:
            async with aclosing(cast("AsyncGenerator[Item, None]", stream)) as items:
                async for item in items:
                    with client:
                        heard(item)
        except Lwm2mMlError as error:
            with client:
                tell_failure(error)
        finally:
            if client.id in Client.instances:
                with client:
                    ended()

    task = background_tasks.create(run(), name="a stream on a page")
    client.on_delete(task.cancel)
    return task
