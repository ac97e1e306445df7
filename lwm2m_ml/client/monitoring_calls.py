"""The calls about models in the field: results by hour, feedback, alarms and captured inputs."""

from pydantic import TypeAdapter

from lwm2m_ml.client.call import CONTENT, LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Job, Page
from lwm2m_ml.client.schemas import monitoring as schemas


def alarms(*, only_open: bool = False) -> Call[Page[schemas.Alarm]]:
    """Alarms, newest first; those that are not over, when asked."""
    query = query_of(open="true" if only_open else None, limit=LARGEST_PAGE)
    return Call("GET", "/alarms", TypeAdapter(Page[schemas.Alarm]), query=query)


def alarm(alarm_id: str) -> Call[schemas.Alarm]:
    """One alarm."""
    return Call("GET", f"/alarms/{segment(alarm_id)}", TypeAdapter(schemas.Alarm))


def acknowledge_alarm(alarm_id: str) -> Call[schemas.Alarm]:
    """Note that the caller has seen an alarm; whoever was first stays."""
    return Call("POST", f"/alarms/{segment(alarm_id)}/acknowledge", TypeAdapter(schemas.Alarm))


def capture_consents() -> Call[Page[schemas.CaptureConsent]]:
    """The devices that may be asked for inputs."""
    query = query_of(limit=LARGEST_PAGE)
    return Call("GET", "/captures/consents", TypeAdapter(Page[schemas.CaptureConsent]), query=query)


def allow_captures(endpoint: str, per_day: int) -> Call[schemas.CaptureConsent]:
    """Let a device be asked for so many inputs a day."""
    body = schemas.CaptureConsentRequest(per_day=per_day).model_dump()
    path = f"/captures/consents/{segment(endpoint)}"
    return Call("PUT", path, TypeAdapter(schemas.CaptureConsent), json=body)


def forbid_captures(endpoint: str) -> Call[None]:
    """Ask a device for no more inputs, and forget those it gave."""
    return Call("DELETE", f"/captures/consents/{segment(endpoint)}", NOTHING)


def capture(endpoint: str) -> Call[Job]:
    """Fetch the next input of a device; the job's result tells of it."""
    return Call("POST", f"/devices/{segment(endpoint)}/captures", TypeAdapter(Job))


def captured_inputs(model: str, *, since: float = 0.0) -> Call[bytes]:
    """The inputs of a model as an `.npz` file: inputs, labels, endpoints and captured_at."""
    return Call("GET", f"/models/{segment(model)}/captures", CONTENT, query=query_of(since=since), timeout=300.0)


def result_hours(
    *, model: str = "", version: str = "", endpoint: str = "", since: float | None = None
) -> Call[list[schemas.ClassHour]]:
    """Results by hour and class, of a model or a device when asked; of the last day if no time is given."""
    query = query_of(model=model, version=version, endpoint=endpoint, since=since)
    return Call("GET", "/results/hours", TypeAdapter(list[schemas.ClassHour]), query=query)


def give_feedback(
    endpoint: str, number: int, true_class: int | str, *, series: int | None = None
) -> Call[schemas.Feedback]:
    """Tell what a result should have been."""
    body = schemas.FeedbackRequest(number=number, true_class=true_class, series=series).model_dump(exclude_none=True)
    return Call("POST", f"/devices/{segment(endpoint)}/feedback", TypeAdapter(schemas.Feedback), json=body)


def accuracy(*, model: str = "", endpoint: str = "", since: float = 0.0) -> Call[list[schemas.ModelAccuracy]]:
    """How often models were right, as far as feedback tells."""
    query = query_of(model=model, endpoint=endpoint, since=since)
    return Call("GET", "/results/accuracy", TypeAdapter(list[schemas.ModelAccuracy]), query=query)
