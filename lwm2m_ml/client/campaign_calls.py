"""The API's calls about campaigns, groups and tags."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import campaigns as schemas


def _campaign(campaign_id: str, tail: str = "") -> str:
    return f"/campaigns/{segment(campaign_id)}{tail}"


def start_campaign(request: schemas.CampaignRequest) -> Call[schemas.Campaign]:
    """Start a campaign."""
    body = request.model_dump(exclude_none=True)
    return Call("POST", "/campaigns", TypeAdapter(schemas.Campaign), json=body)


def preview_campaign(request: schemas.CampaignRequest) -> Call[schemas.CampaignPreview]:
    """Say what a campaign would do, without doing it; modules may have to be compiled for that."""
    body = request.model_dump(exclude_none=True)
    answer = TypeAdapter(schemas.CampaignPreview)
    return Call("POST", "/campaigns/preview", answer, json=body, timeout=900.0, only_reads=True)


def campaigns() -> Call[Page[schemas.Campaign]]:
    """Every campaign, oldest first."""
    return Call("GET", "/campaigns", TypeAdapter(Page[schemas.Campaign]), query=query_of(limit=LARGEST_PAGE))


def campaign(campaign_id: str) -> Call[schemas.Campaign]:
    """One campaign, without its devices."""
    return Call("GET", _campaign(campaign_id), TypeAdapter(schemas.Campaign))


def campaign_devices(campaign_id: str, state: str | None = None) -> Call[Page[schemas.CampaignDevice]]:
    """The devices of a campaign, or those in one state."""
    query = query_of(state=state, limit=LARGEST_PAGE)
    return Call("GET", _campaign(campaign_id, "/devices"), TypeAdapter(Page[schemas.CampaignDevice]), query=query)


def campaign_story(campaign_id: str, after: int = 0) -> Call[Page[schemas.CampaignNote]]:
    """What happened to a campaign, from after a line's number on."""
    query = query_of(after=after, limit=LARGEST_PAGE)
    return Call("GET", _campaign(campaign_id, "/story"), TypeAdapter(Page[schemas.CampaignNote]), query=query)


def command_campaign(campaign_id: str, command: schemas.CampaignCommand) -> Call[schemas.Campaign]:
    """Approve, pause, resume, cancel or roll back."""
    body = command.model_dump()
    return Call("POST", _campaign(campaign_id, "/commands"), TypeAdapter(schemas.Campaign), json=body)


def groups() -> Call[Page[schemas.Group]]:
    """Every group with its members."""
    return Call("GET", "/groups", TypeAdapter(Page[schemas.Group]), query=query_of(limit=LARGEST_PAGE))


def group(name: str) -> Call[schemas.Group]:
    """One group with its members."""
    return Call("GET", f"/groups/{segment(name)}", TypeAdapter(schemas.Group))


def add_group(name: str, filter: str) -> Call[schemas.Group]:
    """Give a filter a name."""
    body = schemas.GroupRequest(name=name, filter=filter).model_dump()
    return Call("POST", "/groups", TypeAdapter(schemas.Group), json=body)


def remove_group(name: str) -> Call[None]:
    """Forget a group; nothing happens to its devices."""
    return Call("DELETE", f"/groups/{segment(name)}", NOTHING)


def tag_device(endpoint: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Call[schemas.Tags]:
    """Give tags to a device and take others away."""
    body = schemas.TagsChange(add=list(add), remove=list(remove)).model_dump()
    return Call("PATCH", f"/devices/{segment(endpoint)}/tags", TypeAdapter(schemas.Tags), json=body)
