"""Server-sent events (WHATWG HTML §9.2): what a device notifies, for as long as a client listens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from lwm2m_ml.api import views
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.service.watches import Watch

HEARTBEAT_SECONDS = 15.0
"""A comment this often lets both ends and proxies between them notice that the other is gone."""
MEDIA_TYPE = "text/event-stream"
EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {MEDIA_TYPE: {}},
        "description": "`values` events, each a list of values in JSON; `end` when the device has left",
    }
}


def events_of(watch: Watch, catalogue: Catalogue) -> StreamingResponse:
    """The values of a watch as a stream of events; the watch is closed when the stream ends."""
    return StreamingResponse(
        _events(watch, catalogue),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(watch: Watch, catalogue: Catalogue) -> AsyncIterator[str]:
    try:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    records = await watch.next()
            except TimeoutError:
                yield ": \n\n"
                continue
            if records is None:
                yield "event: end\ndata: {}\n\n"
                return
            values = ",".join(value.model_dump_json() for value in views.resource_values(records, catalogue))
            yield f"event: values\ndata: [{values}]\n\n"
    finally:
        await watch.close()
