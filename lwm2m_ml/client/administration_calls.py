"""The calls about jobs, tokens, the audit log and events."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from lwm2m_ml.client import schemas
from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Page


def jobs() -> Call[Page[schemas.Job]]:
    """The jobs of the last week, newest first."""
    return Call("GET", "/jobs", TypeAdapter(Page[schemas.Job]), query=query_of(limit=LARGEST_PAGE))


def job(job_id: str) -> Call[schemas.Job]:
    """One job as it stands."""
    return Call("GET", f"/jobs/{segment(job_id)}", TypeAdapter(schemas.Job))


def cancel_job(job_id: str) -> Call[schemas.Job]:
    """Stop a job."""
    return Call("POST", f"/jobs/{segment(job_id)}/cancel", TypeAdapter(schemas.Job))


def tokens() -> Call[Page[schemas.Token]]:
    """The API tokens, without what is secret of them."""
    return Call("GET", "/tokens", TypeAdapter(Page[schemas.Token]), query=query_of(limit=LARGEST_PAGE))


def issue_token(label: str, scope: str = "viewer", *, expires_in: float | None = None) -> Call[schemas.IssuedToken]:
    """Make an API token of a scope (viewer, operator or admin); it ends after `expires_in` seconds, if given."""
    body = {"label": label, "scope": scope, "expires_in": expires_in}
    return Call("POST", "/tokens", TypeAdapter(schemas.IssuedToken), json=body)


def revoke_token(token_id: str) -> Call[None]:
    """Let nobody in with a token any more."""
    return Call("DELETE", f"/tokens/{segment(token_id)}", NOTHING)


def caller() -> Call[schemas.CallerFacts]:
    """Who the server takes us for."""
    return Call("GET", "/caller", TypeAdapter(schemas.CallerFacts))


def audit(*, endpoint: str = "", caller: str = "", limit: int = LARGEST_PAGE) -> Call[Page[schemas.Act]]:
    """What was done, newest first; to one device, or by one caller, when asked."""
    query = query_of(endpoint=endpoint, caller=caller, limit=limit)
    return Call("GET", "/audit", TypeAdapter(Page[schemas.Act]), query=query)


def events(*, types: Sequence[str] = (), endpoint: str = "", last_event_id: str = "") -> Call[schemas.Event]:
    """What happens, as it happens: events of some types or of one device, from after an earlier one on."""
    named = tuple(("type", name) for name in types)
    query = (*named, *query_of(endpoint=endpoint, last_event_id=last_event_id))
    return Call("GET", "/events", TypeAdapter(schemas.Event), query=query)
