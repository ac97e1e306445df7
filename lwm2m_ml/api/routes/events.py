"""`/events`: what happens, as it happens, as server-sent events that go on where a lost connection ended."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.event_stream import FEED, follow
from lwm2m_ml.api.running import Service

router = APIRouter(prefix="/events", tags=["events"])

EventId = Annotated[str, Query(max_length=64, description="Like the header, for clients that cannot set it")]


@router.get("", dependencies=[VIEWER], response_class=StreamingResponse, responses=FEED)
async def follow_events(
    service: Service,
    kinds: Annotated[list[str] | None, Query(alias="type", max_length=64, description="Events of these types")] = None,
    endpoint: Annotated[str, Query(max_length=256, description="Events of this device")] = "",
    last_event_id: EventId = "",
    last_event: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> StreamingResponse:
    """Follow events, from after `Last-Event-ID` on; a `gap` says that some in between are not known any more."""
    return follow(service.events, last_event or last_event_id, frozenset(kinds or ()), endpoint)
