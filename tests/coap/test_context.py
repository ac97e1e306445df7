"""aiocoap's context on our endpoint."""

from __future__ import annotations

import asyncio
import gc
import warnings

import aiocoap
from aiocoap import resource
from aiocoap.pipe import Pipe

from lwm2m_ml.coap.context import EndpointContext


async def test_rendering_that_is_given_up_before_it_begins_leaves_no_coroutine_behind() -> None:
    """As when the endpoint closes between a request's arrival and the next turn of the loop."""
    context = EndpointContext(asyncio.get_running_loop(), resource.Site())
    pipe = Pipe(aiocoap.Message(code=aiocoap.GET), context.log)
    remove = pipe.on_event(lambda _: True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        context.render_to_pipe(pipe)
        remove()
        await asyncio.sleep(0)
        gc.collect()
    assert not caught
