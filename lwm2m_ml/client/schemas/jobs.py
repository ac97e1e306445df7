"""Long work, and what happens meanwhile."""

from typing import Any

from lwm2m_ml.client.schemas.shape import Schema


class Job(Schema):
    """Long work: `state` is running, done, failed or cancelled; `progress` from 0 to 1. Times are Unix seconds."""

    id: str
    kind: str
    subject: str
    caller: str
    state: str
    progress: float
    activity: str
    created_at: float
    ended_at: float | None
    result: Any
    error: str


class Event(Schema):
    """Something that happened. `data` depends on the type; a `gap` says that events before this one were missed."""

    id: str
    type: str
    at: float
    endpoint: str | None
    data: dict[str, Any]
